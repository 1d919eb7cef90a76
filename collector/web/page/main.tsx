// The collector's page: a header, the time range, and the view that the address names.
import { type ComponentChild, render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Range } from './api.ts';
import { LedgerPage } from './ledger-page.tsx';
import { ServicePage } from './service-page.tsx';
import { ServicesPage } from './services-page.tsx';
import { TracePage } from './trace-page.tsx';
import './style.css';

const ranges = [
  { minutes: 5, label: '5 min' },
  { minutes: 15, label: '15 min' },
  { minutes: 60, label: '1 h' },
  { minutes: 360, label: '6 h' },
  { minutes: 1440, label: '24 h' },
] as const;

const REFRESH_MS = 10_000;

const rangeOf = (minutes: number): Range => ({
  start: Date.now() / 1000 - minutes * 60,
  end: Date.now() / 1000,
});

function useHash(): readonly string[] {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = (): void => setHash(location.hash);
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return hash.replace(/^#\/?/, '').split('/').map(decode);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The last so many minutes, moving on by itself while `live`. */
function useRange(minutes: number, live: boolean): Range {
  const [range, setRange] = useState(() => rangeOf(minutes));
  useEffect(() => {
    setRange(rangeOf(minutes));
    if (!live) return;
    const timer = setInterval(() => setRange(rangeOf(minutes)), REFRESH_MS);
    return () => clearInterval(timer);
  }, [minutes, live]);
  return range;
}

function Page(): ComponentChild {
  const [view = '', name = ''] = useHash();
  const [minutes, setMinutes] = useState(15);
  const [live, setLive] = useState(true);
  const range = useRange(minutes, live && view !== 'trace');
  return (
    <>
      <header>
        <a class="brand" href="#/">
          <span class="strings" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          tricord
        </a>
        <nav>
          <a href="#/" aria-current={view === '' ? 'page' : undefined}>
            Services
          </a>
          <a href="#/ledger" aria-current={view === 'ledger' ? 'page' : undefined}>
            Ledger
          </a>
        </nav>
        <FindTrace />
        {view !== 'trace' && view !== 'ledger' && (
          <div class="range">
            <label>
              Last{' '}
              <select value={minutes} onChange={event => setMinutes(Number(event.currentTarget.value))}>
                {ranges.map(choice => (
                  <option key={choice.minutes} value={choice.minutes}>
                    {choice.label}
                  </option>
                ))}
              </select>
            </label>
            <label>
              <input
                type="checkbox"
                checked={live}
                onChange={event => setLive(event.currentTarget.checked)}
              />{' '}
              live
            </label>
          </div>
        )}
      </header>
      <main>
        {view === 'trace' ? (
          <TracePage key={name} traceId={name} />
        ) : view === 'ledger' ? (
          <LedgerPage range={range} />
        ) : view === 'service' ? (
          <ServicePage key={name} service={name} range={range} />
        ) : (
          <ServicesPage range={range} />
        )}
      </main>
    </>
  );
}

function FindTrace(): ComponentChild {
  const [wrong, setWrong] = useState(false);
  const open = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const id = String(new FormData(form).get('trace')).trim().toLowerCase();
    const valid = /^[0-9a-f]{1,32}$/.test(id);
    setWrong(!valid);
    if (valid) location.hash = `#/trace/${id}`;
  };
  return (
    <form class="find" onSubmit={open}>
      <input
        name="trace"
        placeholder="Trace ID"
        aria-label="Open a trace by its ID"
        aria-invalid={wrong}
        title={wrong ? 'A trace ID has 32 hexadecimal digits' : undefined}
        spellcheck={false}
      />
    </form>
  );
}

render(<Page />, document.getElementById('page')!);
