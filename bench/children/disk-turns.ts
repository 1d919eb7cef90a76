// A disk workload's side of the turns: works for a slice of time whenever the harness says so, and reports all but the first.
import { heard, report, say } from '../parent.ts';
import type { Figures } from '../scenario.ts';
import { Acknowledgements } from './acknowledgements.ts';
import type { ExportRequest } from './stream-request.ts';

/** What is done with each request, and how many do it at a time. */
export interface Appending {
  readonly request: ExportRequest;
  readonly producers: number;
  /** Resolves when it is acknowledged. */
  append(): Promise<void>;
  /** Called after the last slice; more figures. */
  close(): Promise<Figures>;
}

/** @param slices how often the harness gives a turn; the first one is the warm-up */
export async function inTurns(
  slices: number,
  { request, producers, append, close }: Appending,
): Promise<void> {
  const acknowledgements = new Acknowledgements(request);
  say('ready');
  for (let slice = 0; slice < slices; slice++) {
    const durationMs = await heard<number>('turn');
    if (slice === 1) acknowledgements.restart();
    await acknowledgements.during(durationMs, producers, append);
    say('turned');
  }
  report({ ...acknowledgements.figures(), ...(await close()) });
}
