// The collector as its command line starts it, with a planted bug if there is one, and asked over IPC for its memory.
import { plant } from '../plant.ts';
import { answer } from './peer.ts';
import { collectorPlants } from './plants.ts';

const [bug] = process.argv.splice(2, 1) as [string];
const planted = bug === 'none' ? undefined : plant(collectorPlants[bug]!);
const ready = Promise.withResolvers<string>();

// What it prints is one line, when it is ready.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = ((text: string): boolean => {
  ready.resolve(text);
  return write(text);
}) as typeof process.stdout.write;

answer({
  ready: (): Promise<string> => ready.promise,
  peakRssBytes: (): number => process.resourceUsage().maxRSS * 1024,
});
await import('../../../collector/main.ts');
planted?.();
