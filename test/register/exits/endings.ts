// Every way in which a process ends, as a script that makes telemetry and then ends so.

/** How much must arrive of what a script makes. */
type Promised =
  /** All of it. */
  | 'all'
  /** What had been sent before the script went on; of what comes after it no more than was made. */
  | 'what was sent';

export interface Ending {
  readonly name: string;
  /** Statements for {@link prelude}, of CommonJS and ES modules alike unless it is for one of them. */
  readonly script: string;
  /** How many spans the script makes, all its processes and threads together; as many points, and twice as many records. */
  readonly made: number;
  /** By default all. */
  readonly promised?: Promised;
  /**
   * How much of it threads make that end without being asked. Where nothing is sent but on their event loop, it ends with
   * them, but for what they have measured.
   */
  readonly inThread?: number;
  /** The flush's time, where waiting for some of it is part of the ending. */
  readonly flushMs?: number;
  /** Flags of Node.js. */
  readonly flags?: readonly string[];
  /** Sent one by one, whenever the script says that it is ready. */
  readonly signals?: readonly NodeJS.Signals[];
  /** What stderr must hold, where two runs of the same never write the same. */
  readonly stderr?: RegExp;
  readonly only?: 'commonjs' | 'module';
}

export interface Group {
  readonly title: string;
  readonly endings: readonly Ending[];
}

const stay = 'setInterval(() => {}, 1000);';
const self = (signal: string): string => `process.kill(process.pid, '${signal}');`;

const byItself: readonly Ending[] = [
  { name: 'nothing left to do', script: 'work(5); ready();', made: 5 },
  { name: 'the same, later', script: 'work(2); setTimeout(() => { work(3); ready(); }, 20);', made: 5 },
  { name: '`process.exitCode = 7`', script: 'work(5); process.exitCode = 7; ready();', made: 5 },
  {
    name: '`process.exit(3)` in the middle of work',
    script: `${stay} work(5); ready(); process.exit(3); work(1);`,
    made: 5,
  },
  {
    name: '`process.exit(3)` in a promise',
    script: `${stay} Promise.resolve().then(() => { work(5); ready(); process.exit(3); });`,
    made: 5,
  },
  {
    name: '`process.exit(9)` in a listener of `exit`, which works before',
    script: "process.on('exit', () => { work(3); process.exit(9); }); work(2); ready();",
    made: 5,
  },
  {
    name: '`process.exit(3)`, and listeners of `exit` that work',
    script: `process.on('exit', () => work(2)); process.on('exit', () => work(1));
      ${stay} setTimeout(() => { work(2); ready(); process.exit(3); });`,
    made: 5,
  },
  {
    name: 'nothing left to do, and a listener of `exit` that works',
    script: "process.on('exit', code => { work(3); process.exitCode = code + 4; }); work(2); ready();",
    made: 5,
  },
  {
    name: 'a listener of `exit` that throws',
    script: "process.on('exit', () => { throw new Error('while exiting'); }); work(5); ready();",
    made: 5,
  },
  {
    name: 'a listener of `beforeExit` that works',
    script: "process.once('beforeExit', () => setTimeout(() => { work(3); ready(); }, 5)); work(2);",
    made: 5,
  },
  {
    name: 'a top-level `await` that never ends',
    script: 'work(5); ready(); await new Promise(() => {});',
    made: 5,
    only: 'module',
  },
];

const bySignal: readonly Ending[] = [
  ...(['SIGTERM', 'SIGINT', 'SIGHUP'] as const).map(signal => ({
    name: `${signal}, and nobody listens`,
    script: `${stay} work(5); ready();`,
    made: 5,
    signals: [signal],
  })),
  {
    name: "`process.kill(process.pid, 'SIGTERM')`",
    script: `${stay} work(5); ready(); ${self('SIGTERM')}`,
    made: 5,
  },
  {
    name: 'SIGTERM, and a listener that works asynchronously before `process.exit(0)`',
    script: `${stay} process.on('SIGTERM', () => setTimeout(() => { work(3); process.exit(0); }, 20));
      work(2); ready();`,
    made: 5,
    signals: ['SIGTERM'],
  },
  {
    name: 'SIGTERM, and several listeners',
    script: `const stop = setInterval(() => {}, 1000); work(2);
      process.on('SIGTERM', () => work(1)); process.on('SIGTERM', () => { work(2); clearInterval(stop); });
      ready();`,
    made: 5,
    signals: ['SIGTERM'],
  },
  {
    name: 'SIGTERM, and a listener that does nothing: lives on until SIGINT',
    script: `${stay} process.on('SIGTERM', () => {}); work(2); ready();
      setTimeout(() => { work(3); ready(); }, 20);`,
    made: 5,
    signals: ['SIGTERM', 'SIGINT'],
  },
  {
    name: 'SIGTERM twice, and a listener for the first',
    script: `${stay} process.once('SIGTERM', () => { work(3); setTimeout(ready); }); work(2); ready();`,
    made: 5,
    signals: ['SIGTERM', 'SIGTERM'],
  },
  {
    name: 'SIGTERM, and a listener that was taken off again',
    script: `${stay} const listen = () => {}; process.on('SIGTERM', listen); process.off('SIGTERM', listen);
      setTimeout(() => { work(5); ready(); });`,
    made: 5,
    signals: ['SIGTERM'],
  },
];

const rejects = "Promise.reject(new Error('nobody cares'));";
const rejected = `work(5); setTimeout(() => {}, 20); ready(); ${rejects}`;

const byError: readonly Ending[] = [
  { name: 'an exception while loading', script: "work(5); ready(); throw new Error('mine');", made: 5 },
  {
    name: 'an exception in a timer',
    script: `${stay} setTimeout(() => { work(5); ready(); throw new TypeError('mine'); });`,
    made: 5,
  },
  {
    name: 'an exception, and a handler that lives on',
    script: `process.on('uncaughtException', error => { console.log(error.message); work(3); ready(); });
      work(2); setTimeout(() => { throw new Error('mine'); });`,
    made: 5,
  },
  {
    name: 'an exception, and a handler that calls `process.exit(9)`',
    script: `${stay} process.on('uncaughtException', () => { work(3); ready(); process.exit(9); });
      work(2); setTimeout(() => { throw new Error('mine'); });`,
    made: 5,
  },
  {
    name: 'an exception, and a monitor',
    script: `${stay} process.on('uncaughtExceptionMonitor', () => { work(3); ready(); });
      work(2); setTimeout(() => { throw new Error('mine'); });`,
    made: 5,
  },
  ...(['throw', 'strict', 'warn', 'none', 'warn-with-error-code'] as const).map(mode => ({
    name: `an unhandled rejection, \`--unhandled-rejections=${mode}\``,
    script: rejected,
    made: 5,
    flags: [`--unhandled-rejections=${mode}`],
  })),
  {
    name: 'an unhandled rejection, and a handler',
    script: `process.on('unhandledRejection', ({ message }) => { console.log(message); work(3); ready(); });
      work(2); ${rejects}`,
    made: 5,
  },
];

/** Goes on when all that was made before has arrived. */
const suddenly = (end: string): string =>
  `work(5); process.stdin.once('data', () => { work(5); ready(); ${end} });`;

const sudden: readonly Ending[] = [
  { name: 'SIGKILL', script: suddenly(stay), made: 10, promised: 'what was sent', signals: ['SIGKILL'] },
  { name: 'SIGQUIT', script: suddenly(stay), made: 10, promised: 'what was sent', signals: ['SIGQUIT'] },
  {
    name: '`process.abort()`',
    script: suddenly('process.abort();'),
    made: 10,
    promised: 'what was sent',
    stderr: /Native stack trace/,
  },
  {
    name: 'an exception, and a handler that throws',
    script: `process.on('uncaughtException', () => { throw new Error('again'); });
      ${suddenly("throw new Error('mine');")}`,
    made: 10,
    promised: 'what was sent',
  },
  {
    name: 'out of memory',
    script: suddenly('for (const all = []; ; ) all.push(new Array(1e6).fill({}));'),
    made: 10,
    promised: 'what was sent',
    flags: ['--max-old-space-size=64'],
    stderr: /heap out of memory/,
  },
];

/** @param script what the thread runs
 *  @param then what the main thread does when the thread has told it something */
const thread = (script: string, then = ''): string => `${quiet(script, then)}
  thread.on('exit', code => console.log('thread', code));`;
const quiet = (script: string, then = ''): string => `work(2);
  const thread = start(${JSON.stringify(script)});
  thread.on('exit', ready);
  thread.on('message', () => { ready(); ${then} });`;
const tell = "require('node:worker_threads').parentPort.postMessage('told');";
const nested = `${stay} work(1); start(${JSON.stringify(`${stay} work(2); ${tell}`)}).on('message', () => { ${tell} });`;

const inThreads: readonly Ending[] = [
  { name: 'a thread has nothing left to do', script: thread('work(3);'), made: 5 },
  { name: 'a thread calls `process.exit(4)`', script: thread(`${stay} work(3); process.exit(4);`), made: 5 },
  {
    name: 'a thread throws, and somebody listens for it',
    script: `${thread("work(3); throw new Error('its own');")}
      thread.on('error', ({ message }) => console.log(message));`,
    made: 5,
  },
  {
    name: 'a thread throws, and nobody listens for it',
    // Whether the main thread hears of its exit before it dies itself is by chance.
    script: quiet("work(3); throw new Error('its own');"),
    made: 5,
  },
  {
    name: 'a thread with a listener of `exit` that works',
    script: thread("process.on('exit', () => work(2)); work(1);"),
    made: 5,
  },
  {
    name: '`worker.terminate()`',
    script: thread(`${stay} work(3); ${tell}`, 'thread.terminate();'),
    made: 5,
    inThread: 3,
  },
  {
    name: '`worker.terminate()` of a thread that never waits',
    script: thread(`work(3); ${tell} for (;;);`, 'thread.terminate();'),
    made: 5,
    inThread: 3,
  },
  {
    name: '`worker.terminate()` of a thread that has one of its own',
    script: thread(nested, 'thread.terminate();'),
    made: 5,
    inThread: 3,
  },
  {
    name: '`process.exit(3)` while a thread waits',
    script: thread(`${stay} work(3); ${tell}`, 'process.exit(3);'),
    made: 5,
    inThread: 3,
  },
  {
    name: '`process.exit(3)` while a thread works',
    script: thread(`work(3); ${tell} for (;;);`, 'process.exit(3);'),
    made: 5,
    inThread: 3,
    flushMs: 2000,
  },
  {
    name: 'SIGTERM while a thread waits',
    script: thread(`${stay} work(3); ${tell}`),
    made: 5,
    inThread: 3,
    signals: ['SIGTERM'],
  },
];

const clustered = (inWorker: string, inPrimary = ''): string => `
  const cluster = require('node:cluster');
  if (cluster.isPrimary) {
    work(2);
    cluster.fork().on('exit', (code, signal) => console.log('worker', code, signal))
      .on('message', () => { ready(); ${inPrimary} });
  } else { work(3); ${inWorker} }`;

const forked = (inChild: string, inParent = ''): string => `
  if (process.argv[2] === undefined) {
    work(2);
    const child = require('node:child_process').fork(file, ['child']);
    child.on('exit', (code, signal) => console.log('child', code, signal));
    child.on('message', () => { ready(); ${inParent} });
  } else { work(3); ${inChild} }`;

const inProcesses: readonly Ending[] = [
  {
    name: 'a cluster worker disconnects',
    script: clustered("process.send('told', () => cluster.worker.disconnect());"),
    made: 5,
  },
  {
    name: 'a cluster worker is killed by its primary',
    script: clustered(`${stay} process.send('told');`, 'cluster.workers[1].kill();'),
    made: 5,
  },
  {
    name: 'a cluster worker dies of SIGTERM',
    script: clustered(
      `${stay} process.send('told');`,
      "process.kill(cluster.workers[1].process.pid, 'SIGTERM');",
    ),
    made: 5,
  },
  {
    name: 'a cluster worker calls `process.exit(4)`',
    script: clustered("process.send('told', () => process.exit(4));"),
    made: 5,
  },
  { name: 'a forked child has nothing left to do', script: forked(''), made: 5 },
  {
    name: 'a forked child throws',
    script: forked("process.send('told', () => { throw new Error('its own'); });"),
    made: 5,
  },
  {
    name: 'a forked child is killed by SIGTERM',
    script: forked(`${stay} process.send('told');`, 'child.kill();'),
    made: 5,
  },
];

export const groups: readonly Group[] = [
  { title: 'By itself', endings: byItself },
  { title: 'By a signal', endings: bySignal },
  { title: 'By an error', endings: byError },
  { title: 'Suddenly', endings: sudden },
  { title: 'Threads', endings: inThreads },
  { title: 'Processes of a process', endings: inProcesses },
];
