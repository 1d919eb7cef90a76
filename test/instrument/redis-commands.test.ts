// The text of Redis commands: keys at the most, and of these only where they are known to be.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redisText } from '../../src/instrument/redis-commands.ts';

describe('the text of a command', () => {
  const cases: readonly (readonly [string, readonly unknown[], string])[] = [
    ['GET', ['user:1'], 'GET user:1'],
    ['HSET', ['user:1', 'name', 'x'], 'HSET user:1 ? ?'],
    ['MGET', ['a', 'b', 3], 'MGET a b 3'],
    ['MSET', ['a', 'x', 'b', 'y'], 'MSET ? ? ? ?'],
    ['GET', [Buffer.from('bytes')], 'GET bytes'],
    ['GET', [{ toString: () => assert.fail('is not asked') }], 'GET ?'],
    ['AUTH', ['user', 'secret'], 'AUTH ? ?'],
    ['CONFIG', ['SET', 'requirepass', 'secret'], 'CONFIG ? ? ?'],
    ['EVAL', ['return ARGV[1]', 0, 'secret'], 'EVAL ? ? ?'],
    ['FT.SEARCH', ['index', 'secret'], 'FT.SEARCH ? ?'],
    ['DEL', Array.from({ length: 16 }, () => 'k'), `DEL${' k'.repeat(16)}`],
    ['DEL', Array.from({ length: 17 }, () => 'k'), `DEL${' k'.repeat(16)} …`],
    ['GET', ['k'.repeat(200)], `GET ${'k'.repeat(128)}`],
    ['PING', [], 'PING'],
  ];
  for (const [name, args, expected] of cases) {
    it(`is ${expected.slice(0, 40)}`, () => assert.equal(redisText(name, args), expected));
  }
});
