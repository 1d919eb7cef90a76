// One trace: its waterfall, and its log lines beside it.
import type { ComponentChild } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type LogLine, logsOfTrace, traceById } from './api.ts';
import { formatDateTime, formatDuration, serviceColour } from './format.ts';
import { Show, useLoaded } from './load.tsx';
import { layOut, type Trace, type WaterfallSpan } from './spans.ts';

interface TraceData {
  readonly trace: Trace;
  readonly logs: readonly LogLine[];
}

/** Log lines may be a little off the spans' clock. */
const MARGIN_SECONDS = 60;

/** Spans and log lines of one trace come in on ways of their own: a young trace is looked at again. */
const LOOK_AGAIN_MS = 2000;
const LOOKS_MAX = 5;
const YOUNG_MS = 20_000;

const mayGrow = (data: TraceData | null | undefined): boolean =>
  data === null || (data !== undefined && Date.now() - data.trace.startMs < YOUNG_MS);

async function loadTrace(traceId: string): Promise<TraceData | null> {
  const found = await traceById(traceId);
  if (found === undefined) return null;
  const trace = layOut(found.resourceSpans);
  const start = trace.startMs / 1000;
  const logs = await logsOfTrace(traceId, {
    start: start - MARGIN_SECONDS,
    end: start + trace.durationMs / 1000 + MARGIN_SECONDS,
  });
  return { trace, logs };
}

export function TracePage({ traceId }: { traceId: string }): ComponentChild {
  const [look, setLook] = useState(0);
  const loaded = useLoaded(() => loadTrace(traceId), [traceId, look]);
  useEffect(() => {
    if (look >= LOOKS_MAX || !mayGrow(loaded.data)) return;
    const timer = setTimeout(() => setLook(look + 1), LOOK_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [loaded, look]);
  const [selected, setSelected] = useState('');
  return (
    <Show of={loaded}>
      {data =>
        data === null ? (
          <>
            <h1>Trace {traceId}</h1>
            <p class="empty">
              There is no such trace: it was not sampled, has not arrived yet, or is past its retention.
            </p>
          </>
        ) : (
          <>
            <Title traceId={traceId} trace={data.trace} />
            <div class="trace">
              <Waterfall trace={data.trace} logs={data.logs} selected={selected} select={setSelected} />
              <Logs data={data} selected={selected} select={setSelected} />
            </div>
          </>
        )
      }
    </Show>
  );
}

function Title({ traceId, trace }: { traceId: string; trace: Trace }): ComponentChild {
  const root = trace.spans[0]!;
  return (
    <>
      <h1>
        {root.service}: {root.name}
      </h1>
      <p class="facts">
        <span>{formatDateTime(trace.startMs)}</span>
        <span>{formatDuration(trace.durationMs)}</span>
        <span>{trace.spans.length} spans</span>
        {trace.services.map(service => (
          <span key={service}>
            <i class="dot" style={{ background: serviceColour(service) }} />
            <a href={`#/service/${encodeURIComponent(service)}`}>{service}</a>
          </span>
        ))}
        <code>{traceId}</code>
      </p>
    </>
  );
}

interface SelectionProps {
  readonly selected: string;
  readonly select: (spanId: string) => void;
}

function Waterfall({
  trace,
  logs,
  selected,
  select,
}: SelectionProps & { trace: Trace; logs: readonly LogLine[] }): ComponentChild {
  const counts = Map.groupBy(logs, ({ spanId }) => spanId);
  return (
    <section class="waterfall">
      <div class="scale" aria-hidden="true">
        {[0, 0.25, 0.5, 0.75].map(part => (
          <span key={part}>{formatDuration(part * trace.durationMs)}</span>
        ))}
      </div>
      {trace.spans.map(span => (
        <div key={span.id} class={`row${span.id === selected ? ' selected' : ''}`}>
          <button
            type="button"
            onClick={() => select(span.id === selected ? '' : span.id)}
            aria-expanded={span.id === selected}
          >
            <span class="name" style={{ paddingLeft: `${span.depth * 16}px` }}>
              <i class="dot" style={{ background: serviceColour(span.service) }} />
              <span class="what">
                <b>{span.service}</b> {span.name}
              </span>
              {span.error && <span class="flag">error</span>}
              <LogCount count={counts.get(span.id)?.length ?? 0} />
            </span>
            <Bar span={span} total={trace.durationMs} />
          </button>
          {span.id === selected && <Details span={span} />}
        </div>
      ))}
    </section>
  );
}

function LogCount({ count }: { count: number }): ComponentChild {
  return count > 0 && <span class="count">{count === 1 ? '1 log' : `${count} logs`}</span>;
}

function Bar({ span, total }: { span: WaterfallSpan; total: number }): ComponentChild {
  const left = total > 0 ? (100 * span.offsetMs) / total : 0;
  const width = total > 0 ? Math.max((100 * span.durationMs) / total, 0.3) : 100;
  const background = span.error ? 'var(--bad)' : serviceColour(span.service);
  return (
    <span class="track">
      <span class="span" style={{ left: `${left}%`, width: `${width}%`, background }} />
      <span class="took" style={left > 60 ? { right: `${100 - left}%` } : { left: `${left + width}%` }}>
        {formatDuration(span.durationMs)}
      </span>
    </span>
  );
}

function Details({ span }: { span: WaterfallSpan }): ComponentChild {
  return (
    <div class="details">
      {span.statusMessage !== '' && <p class="failure">{span.statusMessage}</p>}
      <Pairs title={`${span.kind} span by ${span.scope || 'an unnamed scope'}`} pairs={span.attributes} />
      {span.events.map(event => (
        <Pairs
          key={`${event.name}${event.offsetMs}`}
          title={`event ${event.name} at ${formatDuration(event.offsetMs)}`}
          pairs={event.attributes}
        />
      ))}
      <details>
        <summary>Resource</summary>
        <Pairs title="" pairs={span.resource} />
      </details>
    </div>
  );
}

function Pairs({
  title,
  pairs,
}: {
  title: string;
  pairs: readonly (readonly [string, string])[];
}): ComponentChild {
  return (
    <dl>
      {title !== '' && <h3>{title}</h3>}
      {pairs.map(([key, value]) => (
        <div key={key}>
          <dt>{key}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The message of a structured line, the line itself otherwise. */
function message(line: LogLine): string {
  try {
    const { msg } = JSON.parse(line.text) as { msg?: unknown };
    return typeof msg === 'string' ? msg : line.text;
  } catch {
    return line.text;
  }
}

/** What the page shows elsewhere already. */
const elsewhere =
  /^(trace_id|span_id|trace_flags|flags|severity_\w+|detected_level|observed_timestamp|scope_\w+)$/;

/** The fields of a line that are its own: the resource's stand with the spans. */
function ownFields(line: LogLine, trace: Trace): [string, string][] {
  const resource = trace.spans.find(({ service }) => service === line.service)?.resource ?? [];
  const shared = new Set(resource.map(([key]) => key.replace(/\W/g, '_')));
  return Object.entries(line.fields).filter(([key]) => !elsewhere.test(key) && !shared.has(key));
}

function Logs({ data, selected, select }: SelectionProps & { data: TraceData }): ComponentChild {
  const { logs, trace } = data;
  const shown =
    selected !== '' && logs.some(({ spanId }) => spanId === selected)
      ? logs.filter(({ spanId }) => spanId === selected)
      : logs;
  return (
    <section class="logs">
      <h2>
        Logs{' '}
        <small>
          {shown === logs ? logs.length : `${shown.length} of ${logs.length}, of the selected span`}
        </small>
      </h2>
      {logs.length === 0 && <p class="empty">No log line carries this trace ID.</p>}
      <ol>
        {shown.map((line, index) => (
          <li key={`${line.timeMs}${index}`} class={line.level}>
            <button type="button" onClick={() => select(line.spanId)}>
              <span class="when">{formatDuration(Math.max(0, line.timeMs - trace.startMs))}</span>
              <i class="dot" style={{ background: serviceColour(line.service) }} title={line.service} />
              <span class="level">{line.level}</span>
              <span class="text">
                {message(line)}
                <span class="fields">
                  {ownFields(line, trace).map(([key, value]) => (
                    <span key={key}>
                      {key}=<b>{value}</b>
                    </span>
                  ))}
                </span>
              </span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
