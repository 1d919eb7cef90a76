// A plot over time, and the points on it that open a trace.
import type { ComponentChild } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { ExemplarPoint, Range, Series } from './api.ts';
import { formatTick } from './format.ts';

interface PlotProps {
  readonly title: string;
  readonly range: Range;
  readonly lines: readonly {
    readonly name: string;
    readonly colour: string;
    readonly series: Series | undefined;
  }[];
  readonly format: (value: number) => string;
  /** Each is drawn as a point; a click opens its trace. */
  readonly exemplars?: readonly ExemplarPoint[];
  /** Powers of ten instead of even steps: for values that spread over several of them. */
  readonly logarithmic?: boolean;
}

const HEIGHT = 190;
const POINT_RADIUS = 2.5;
const CLICK_RADIUS = 12;

export function Plot({
  title,
  range,
  lines,
  format,
  exemplars = [],
  logarithmic = false,
}: PlotProps): ComponentChild {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  const shown = useRef(exemplars);
  shown.current = exemplars;

  useEffect(() => {
    const element = box.current!;
    plot.current = new UPlot(options(element, { lines, format, logarithmic }, shown), [[]], element);
    const watcher = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      plot.current?.destroy();
    };
  }, []);

  useEffect(() => {
    plot.current?.setData(aligned(lines.map(({ series }) => series)), false);
    plot.current?.setScale('x', { min: range.start, max: range.end });
  }, [range, lines, exemplars]);

  return (
    <figure class="plot">
      <figcaption>
        {title}
        {lines.length > 1 && (
          <span class="legend">
            {lines.map(({ name, colour }) => (
              <span key={name}>
                <i style={{ background: cssColour(colour) }} /> {name}
              </span>
            ))}
            {exemplars.length > 0 && (
              <span>
                <i class="exemplar" /> exemplar: click to open its trace
              </span>
            )}
          </span>
        )}
      </figcaption>
      <div ref={box} data-plot={title} />
    </figure>
  );
}

/** All series on one time axis, as uPlot wants them: gaps are null. */
function aligned(series: readonly (Series | undefined)[]): UPlot.AlignedData {
  const times = [...new Set(series.flatMap(one => one?.points.map(([seconds]) => seconds) ?? []))].sort(
    (a, b) => a - b,
  );
  const columns = series.map(one => {
    const values = new Map(one?.points);
    return times.map(seconds => {
      const value = values.get(seconds);
      return value === undefined || Number.isNaN(value) ? null : value;
    });
  });
  return [times, ...columns] as UPlot.AlignedData;
}

function cssColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(
  element: HTMLElement,
  { lines, format, logarithmic }: Required<Pick<PlotProps, 'lines' | 'format' | 'logarithmic'>>,
  exemplars: { readonly current: readonly ExemplarPoint[] },
): UPlot.Options {
  const axis = {
    stroke: cssColour('--quiet'),
    grid: { stroke: cssColour('--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui',
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: logarithmic ? logarithmicScale(exemplars) : linearScale },
    axes: [
      {
        ...axis,
        size: 28,
        values: (_, ticks) => ticks.map(tick => formatTick(tick, (ticks[1] ?? tick) - ticks[0]!)),
      },
      { ...axis, size: 62, values: (_, ticks) => ticks.map(tick => (tick === null ? '' : format(tick))) },
    ],
    series: [
      {},
      ...lines.map(({ name, colour }) => ({
        label: name,
        stroke: cssColour(colour),
        width: 1.75,
        spanGaps: true,
        points: { show: false },
      })),
    ],
    hooks: {
      draw: [self => drawExemplars(self, exemplars.current)],
      ready: [
        self => self.over.addEventListener('click', event => openNearest(self, event, exemplars.current)),
      ],
      setCursor: [self => pointAt(self, exemplars.current)],
    },
  };
}

const linearScale: UPlot.Scale = { range: (_, __, max) => [0, (max ?? 0) * 1.15 || 1] };

/** Whole powers of ten around the lines and the exemplars. */
function logarithmicScale(exemplars: { readonly current: readonly ExemplarPoint[] }): UPlot.Scale {
  const range: UPlot.Scale['range'] = (_, min, max) => {
    const values = exemplars.current.map(({ value }) => value).filter(value => value > 0);
    const ends = [...values, min, max].filter(value => value !== null && value > 0);
    return ends.length === 0 ? [0.001, 1] : UPlot.rangeLog(Math.min(...ends), Math.max(...ends), 10, true);
  };
  return { distr: 3, log: 10, range };
}

function drawExemplars(plot: UPlot, exemplars: readonly ExemplarPoint[]): void {
  const { ctx } = plot;
  ctx.save();
  ctx.fillStyle = cssColour('--exemplar');
  ctx.globalAlpha = 0.7;
  for (const { seconds, value } of exemplars) {
    const { min = 0, max = 0 } = plot.scales.x ?? {};
    if (seconds < min! || seconds > max!) continue;
    ctx.beginPath();
    ctx.arc(
      plot.valToPos(seconds, 'x', true),
      plot.valToPos(value, 'y', true),
      POINT_RADIUS * devicePixelRatio,
      0,
      2 * Math.PI,
    );
    ctx.fill();
  }
  ctx.restore();
}

function nearest(
  plot: UPlot,
  left: number,
  top: number,
  exemplars: readonly ExemplarPoint[],
): ExemplarPoint | undefined {
  let best: ExemplarPoint | undefined;
  let least = CLICK_RADIUS;
  for (const exemplar of exemplars) {
    const distance = Math.hypot(
      plot.valToPos(exemplar.seconds, 'x') - left,
      plot.valToPos(exemplar.value, 'y') - top,
    );
    if (distance > least) continue;
    least = distance;
    best = exemplar;
  }
  return best;
}

function openNearest(plot: UPlot, event: MouseEvent, exemplars: readonly ExemplarPoint[]): void {
  const found = nearest(plot, event.offsetX, event.offsetY, exemplars);
  if (found !== undefined) location.hash = `#/trace/${found.traceId}`;
}

function pointAt(plot: UPlot, exemplars: readonly ExemplarPoint[]): void {
  const { left = -1, top = -1 } = plot.cursor;
  plot.over.style.cursor = nearest(plot, left, top, exemplars) === undefined ? '' : 'pointer';
}
