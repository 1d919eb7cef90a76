// Redis commands as operations: the name, and a text in which of the arguments only the keys are shown.
import { BoundedCache } from './bounded-cache.ts';
import type { Failure } from './database-client.ts';
import type { Operation } from './database-conventions.ts';

/** Names that are remembered: an application may make up its own. */
const NAMES_MAX = 500;
/** Arguments of one text, and UTF-16 units of a key. */
const ARGUMENTS_MAX = 16;
const KEY_LENGTH_MAX = 128;

/**
 * Commands whose first argument is a key. What is listed nowhere shows none: `CONFIG SET requirepass …`, `EVAL`, `AUTH` and
 * whatever a module adds.
 */
const firstIsKey: ReadonlySet<string> = new Set(
  (
    'APPEND BITCOUNT BITFIELD BITFIELD_RO BITPOS DECR DECRBY DUMP EXPIRE EXPIREAT EXPIRETIME GEOADD GEODIST GEOHASH ' +
    'GEOPOS GEOSEARCH GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL HEXISTS HEXPIRE HGET HGETALL HGETDEL HGETEX HINCRBY ' +
    'HINCRBYFLOAT HKEYS HLEN HMGET HMSET HPEXPIRE HPERSIST HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL ' +
    'HVALS INCR INCRBY INCRBYFLOAT LINDEX LINSERT LLEN LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM PERSIST PEXPIRE ' +
    'PEXPIREAT PEXPIRETIME PFADD PSETEX PTTL RESTORE RPOP RPUSH RPUSHX SADD SCARD SET SETBIT SETEX SETNX SETRANGE ' +
    'SISMEMBER SMEMBERS SMISMEMBER SORT SORT_RO SPOP SRANDMEMBER SREM SSCAN STRLEN SUBSTR TTL TYPE XACK XADD ' +
    'XAUTOCLAIM XCLAIM XDEL XLEN XPENDING XRANGE XREVRANGE XTRIM ZADD ZCARD ZCOUNT ZINCRBY ZLEXCOUNT ZMSCORE ZPOPMAX ' +
    'ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ' +
    'ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE'
  ).split(' '),
);

/** Commands whose arguments all are keys. */
const allAreKeys: ReadonlySet<string> = new Set(
  (
    'DEL EXISTS LMOVE MGET PFCOUNT PFMERGE RENAME RENAMENX RPOPLPUSH SDIFF SDIFFSTORE SINTER SINTERSTORE SUNION ' +
    'SUNIONSTORE TOUCH UNLINK WATCH'
  ).split(' '),
);

export class RedisCommands {
  readonly #known = new BoundedCache<Operation>(NAMES_MAX);

  /** @param name in whatever case the client has it */
  of(name: string): Operation {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const upper = name.toUpperCase();
    const command = {
      ...{ key: upper, name: upper },
      ...{ summary: undefined, collection: undefined, text: undefined },
    };
    this.#known.set(name, command);
    return command;
  }
}

/** The command as one would type it, `SET user:7 ?`. Keys are arguments too: what must not be seen does not belong there. */
export function redisText(name: string, args: readonly unknown[]): string {
  const keys = firstIsKey.has(name) ? 1 : allAreKeys.has(name) ? ARGUMENTS_MAX : 0;
  let text = name;
  const shown = Math.min(args.length, ARGUMENTS_MAX);
  for (let i = 0; i < shown; i++) text += i < keys ? ` ${keyText(args[i])}` : ' ?';
  return args.length > shown ? `${text} …` : text;
}

function keyText(key: unknown): string {
  if (typeof key === 'number') return String(key);
  const text = Buffer.isBuffer(key) ? key.toString('utf8', 0, KEY_LENGTH_MAX) : key;
  return typeof text === 'string' ? text.slice(0, KEY_LENGTH_MAX) : '?';
}

/** What Redis answers to a command that fails begins with a word for it: `WRONGTYPE`, `ERR`. */
export function redisFailure(error: unknown): Failure {
  const { message } = (error ?? {}) as { message?: unknown };
  const statusCode = typeof message === 'string' ? /^[A-Z]{2,}(?= )/.exec(message)?.[0] : undefined;
  return { error, statusCode };
}
