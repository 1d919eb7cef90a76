// Header fields: the examples of RFC 7541, what nghttp2 encodes for us and decodes from us, and blocks that are none.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Http2Connection } from '../../../src/transport/http2/connection.ts';
import { Http2Fault } from '../../../src/transport/http2/frame.ts';
import {
  encodeFields,
  FIELDS_BYTES_MAX,
  type Field,
  FieldDecoder,
  type Fields,
} from '../../../src/transport/http2/hpack.ts';
import { readHuffman } from '../../../src/transport/http2/huffman.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe('header fields', () => {
  const responses: [block: string, fields: Field[]][] = [
    [
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
      [
        [':status', '302'],
        ['cache-control', 'private'],
        ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
        ['location', 'https://www.example.com'],
      ],
    ],
    [
      '4803333037c1c0bf',
      [
        [':status', '307'],
        ['cache-control', 'private'],
        ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
        ['location', 'https://www.example.com'],
      ],
    ],
  ];

  it('are read as RFC 7541 has them in its examples, with what a block before has left', () => {
    const decoder = new FieldDecoder();
    for (const [block, fields] of responses) assert.deepEqual([...decoder.decode(bytes(block))], fields);
  });

  it('that were pushed out of a smaller table are not there any more', () => {
    const decoder = new FieldDecoder();
    // 3f e1 01: the table has 256 bytes, of which the first block's four entries take 222.
    decoder.decode(bytes(`3fe101${responses[0]![0]}`));
    assert.deepEqual([...decoder.decode(bytes('c1'))], [[':status', '302']]);
    decoder.decode(bytes('4803333037'));
    assert.deepEqual([...decoder.decode(bytes('c1'))], [['cache-control', 'private']]);
    assert.throws(() => decoder.decode(bytes('c2')), Http2Fault);
  });

  it('in the Huffman code are read as in the RFC’s examples', () => {
    assert.equal(readHuffman(bytes('f1e3c2e5f23a6ba0ab90f4ff')), 'www.example.com');
    assert.equal(
      readHuffman(bytes('d07abe941054d444a8200595040b8166e082a62d1bff')),
      'Mon, 21 Oct 2013 20:13:21 GMT',
    );
    assert.equal(readHuffman(bytes('')), '');
  });

  for (const [what, hex] of [
    ['that end with a whole byte of filling', 'f1e3c2e5f23a6ba0ab90f4ffff'],
    ['filled up with zeros', 'f1e3c2e5f23a6ba0ab90f4fe'],
    ['with the end’s code within', 'ffffffff'],
  ] as const) {
    it(`refuse codes ${what}`, () => assert.equal(readHuffman(bytes(hex)), undefined));
  }

  const bad: [what: string, block: string][] = [
    ['index 0', '80'],
    ['an index beyond the tables', 'be'],
    ['a name beyond the tables', '7f00 00'],
    ['a number without end', 'ffffffffffffffffff7f'],
    ['a number that ends too early', 'ff80'],
    ['a text that ends too early', '400a6b6579'],
    ['no value', '40036b6579'],
    ['a table beyond what was offered', '3fe21f'],
    ['codes that are none', '40016181ff'],
  ];
  for (const [what, block] of bad) {
    it(`are refused with ${what}`, () => {
      assert.throws(() => new FieldDecoder().decode(bytes(block)), {
        name: 'Error',
        code: 9,
        message: /^header fields that cannot be read: /,
      });
    });
  }

  it('are taken up to their bound, counted as the table counts', () => {
    const filling = FIELDS_BYTES_MAX - 32 - 'grpc-message'.length;
    const block = (length: number): Buffer => encodeFields([['grpc-message', 'x'.repeat(length)]]);
    assert.equal(new FieldDecoder().decode(block(filling)).get('grpc-message')!.length, filling);
    assert.throws(() => new FieldDecoder().decode(block(filling + 1)), { code: 11 });
  });

  it('that come twice have their last value', () => {
    const fields: Field[] = [
      ['a', '1'],
      ['a', '2'],
    ];
    assert.deepEqual([...new FieldDecoder().decode(encodeFields(fields))], [['a', '2']]);
  });
});

/** A server of nghttp2 that answers each request with the fields; gives what it was asked with. */
async function exchange(
  t: TestContext,
  requests: readonly (readonly Field[])[],
  answers: readonly Readonly<Record<string, string>>[],
): Promise<{ asked: IncomingHttpHeaders[]; got: Fields[] }> {
  const asked: IncomingHttpHeaders[] = [];
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.respond(answers[asked.length], { endStream: true });
    asked.push(headers);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const connection = new Http2Connection(url, {}, { connected() {}, leaving() {}, closed() {} });
  t.after(() => {
    connection.destroy('the test is over');
    server.close();
  });
  const got: Fields[] = [];
  for (const request of requests) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stream = connection.request([[':method', 'POST'], [':path', '/p'], ...request], {
      fields: fields => void got.push(fields),
      data() {},
      drain() {},
      end: () => resolve(),
    });
    stream.finish();
    const alive = setInterval(() => {}, 1000);
    await promise;
    clearInterval(alive);
  }
  return { asked, got };
}

describe('header fields between us and nghttp2', () => {
  const visible = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));

  it('arrive as they were sent, of any character and length, in either direction', async t => {
    const long = visible.join('').repeat(40);
    const texts = [...visible.map(character => character.repeat(40)), visible.join(' '), long, ''];
    const request = texts.map((text, i): Field => [`x-${i}`, text]);
    const answer = Object.fromEntries(request);
    const { asked, got } = await exchange(t, [request], [answer]);
    for (const [name, value] of request) {
      assert.equal(asked[0]![name], value);
      assert.equal(got[0]!.get(name), value);
    }
    assert.equal(asked[0]![':scheme'], 'http');
    assert.match(asked[0]![':authority']!, /^127\.0\.0\.1:\d+$/);
  });

  it('of responses that have much in common, and push each other out of the table, arrive whole', async t => {
    const answers = Array.from({ length: 60 }, (_, i) =>
      Object.fromEntries(Array.from({ length: 9 }, (_, k) => [`x-${k}`, `${'v'.repeat(90)}${(i * k) % 7}`])),
    );
    const { got } = await exchange(
      t,
      answers.map(() => []),
      answers,
    );
    for (const [i, answer] of answers.entries())
      for (const [name, value] of Object.entries(answer)) assert.equal(got[i]!.get(name), value);
  });
});
