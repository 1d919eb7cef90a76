// The collector's own counters: one registry, which `/metrics` shows as Prometheus text.

export type LabelSet = Readonly<Record<string, string>>;

/** One series that only grows; bound to its labels once, so that counting is an addition. */
export class Counter {
  value = 0;

  add(amount: number): void {
    this.value += amount;
  }
}

export interface Sample {
  readonly labels: LabelSet;
  readonly value: number;
}

interface Family {
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  /** By the serialized labels. */
  readonly counters: Map<string, { readonly labels: LabelSet; readonly counter: Counter }>;
  readonly collectors: (() => Iterable<Sample>)[];
}

/** All series of one collector. */
export class SelfTelemetry {
  readonly #families = new Map<string, Family>();

  /** The counter of this name and these labels; the same ones give the same counter. `name` ends in `_total`. */
  counter(name: string, help: string, labels: LabelSet = {}): Counter {
    const { counters } = this.#family(name, 'counter', help);
    const key = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
    const known = counters.get(key);
    if (known !== undefined) return known.counter;
    const counter = new Counter();
    counters.set(key, { labels, counter });
    return counter;
  }

  /** Samples that are asked for when somebody looks. A counter kept elsewhere has `type` counter. */
  observe(
    name: string,
    help: string,
    collect: () => Iterable<Sample>,
    type: 'counter' | 'gauge' = 'gauge',
  ): void {
    this.#family(name, type, help).collectors.push(collect);
  }

  /** Prometheus text exposition format 0.0.4. */
  render(): string {
    let text = '';
    for (const [name, { type, help, counters, collectors }] of [...this.#families].sort()) {
      text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
      for (const { labels, counter } of counters.values()) text += line(name, labels, counter.value);
      for (const collect of collectors) {
        for (const { labels, value } of collect()) text += line(name, labels, value);
      }
    }
    return text;
  }

  #family(name: string, type: Family['type'], help: string): Family {
    const known = this.#families.get(name);
    if (known !== undefined) return known;
    const family: Family = { type, help, counters: new Map(), collectors: [] };
    this.#families.set(name, family);
    return family;
  }
}

function line(name: string, labels: LabelSet, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
}

function escapeLabel(text: string): string {
  return text.replace(/[\\"\n]/g, character => (character === '\n' ? '\\n' : `\\${character}`));
}

function escapeHelp(text: string): string {
  return text.replace(/[\\\n]/g, character => (character === '\n' ? '\\n' : '\\\\'));
}
