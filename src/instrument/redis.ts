// Client spans and metrics of node-redis, read from the tracing channels that it publishes on, where it does.
import { onPackageLoad } from './module-hooks.ts';
import { type BatchMessage, type CommandMessage, RedisCalls } from './redis-calls.ts';
import { redisFailure } from './redis-commands.ts';
import { SilentRedis } from './silent-redis.ts';
import { followPromises } from './tracing-channel.ts';

/** Observes every client of node-redis 4 and later in this thread; 5.12 is the first that publishes what it does. */
export function instrumentRedis(): void {
  const calls = new RedisCalls();
  followPromises<CommandMessage>('node-redis:command', message => calls.startCommand(message), redisFailure);
  followPromises<BatchMessage>('node-redis:batch', message => calls.startBatch(message), redisFailure);
  const silent = new SilentRedis(calls);
  onPackageLoad('@redis/client', exports => silent.patch(exports));
}
