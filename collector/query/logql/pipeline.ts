// Runs the stages of a log query over entries.
import { RE2JS } from 're2js';
import type { Labels, LogEntry, Matcher } from '../../store/store.ts';
import { QueryError } from '../promql/ast.ts';
import type { Condition, LineFilter, LogQuery, NumericCondition, Stage } from './ast.ts';
import { jsonExtracts, jsonLabels, logfmtLabels } from './fields.ts';
import { compileTemplate, type TemplateScope } from './template.ts';
import { parseSeconds, parseSize } from './values.ts';

const ERROR_LABEL = '__error__';

/** An entry on its way through the stages: labels of three origins, and a line that may be rewritten. */
export class Row implements TemplateScope {
  line: string;
  readonly timestamp: bigint;
  readonly stream: Map<string, string>;
  readonly metadata: Map<string, string>;
  readonly parsed: Map<string, string> = new Map<string, string>();

  constructor(entry: LogEntry) {
    this.line = entry.line;
    this.timestamp = entry.time;
    this.stream = new Map(entry.stream);
    this.metadata = new Map(entry.metadata);
  }

  label(name: string): string {
    return this.parsed.get(name) ?? this.metadata.get(name) ?? this.stream.get(name) ?? '';
  }

  /** Adds a label read from the line; one that is there already keeps its value, as Loki has it. */
  extract(name: string, value: string): void {
    const taken = this.stream.has(name) || this.metadata.has(name);
    this.parsed.set(taken ? `${name}_extracted` : name, value);
  }

  set(name: string, value: string): void {
    this.remove(name);
    this.parsed.set(name, value);
  }

  remove(name: string): void {
    this.stream.delete(name);
    this.metadata.delete(name);
    this.parsed.delete(name);
  }

  names(): string[] {
    return [...this.stream.keys(), ...this.metadata.keys(), ...this.parsed.keys()];
  }

  /** All labels together; parsed ones win over metadata, metadata over stream labels. */
  all(): Labels {
    return new Map([...this.stream, ...this.metadata, ...this.parsed]);
  }
}

type Step = (row: Row) => boolean;

/** Compiles the stages: the result says whether a row stays, and changes it on the way. @throws QueryError */
export function compilePipeline(query: LogQuery): (entry: LogEntry) => Row | undefined {
  const steps = query.stages.map(compileStage);
  return entry => {
    const row = new Row(entry);
    return steps.every(step => step(row)) ? row : undefined;
  };
}

function compileStage(stage: Stage): Step {
  switch (stage.type) {
    case 'line':
      return compileLineFilter(stage);
    case 'label': {
      const holds = compileCondition(stage.condition);
      return row => holds(row);
    }
    case 'json': {
      const { extract } = stage;
      const read =
        extract.length === 0
          ? jsonLabels
          : (line: string, add: (n: string, v: string) => void) => jsonExtracts(line, extract, add);
      return parsing(read, 'JSONParserErr');
    }
    case 'logfmt':
      return parsing(logfmtLabels, 'LogfmtParserErr');
    case 'drop':
    case 'keep':
      return compileSelection(stage);
    case 'label_format':
      return compileLabelFormat(stage);
    case 'line_format': {
      const render = compileTemplate(stage.template);
      return row => {
        row.line = render(row);
        return true;
      };
    }
  }
}

function parsing(
  read: (line: string, add: (name: string, value: string) => void) => boolean,
  error: string,
): Step {
  return row => {
    if (!read(row.line, (name, value) => row.extract(name, value))) row.set(ERROR_LABEL, error);
    return true;
  };
}

function compileLineFilter({ op, texts }: LineFilter): Step {
  if (op === '|=' || op === '!=') return row => texts.some(text => row.line.includes(text)) === (op === '|=');
  const patterns = texts.map(text => compileRegex(text, text));
  return row => patterns.some(pattern => pattern.matcher(row.line).find()) === (op === '|~');
}

function compileRegex(pattern: string, shown: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new QueryError(`invalid regular expression "${shown}": ${(error as Error).message}`);
  }
}

function compileMatcher({ op, value }: Matcher): (actual: string) => boolean {
  if (op === '=') return actual => actual === value;
  if (op === '!=') return actual => actual !== value;
  const pattern = compileRegex(`^(?s:${value})$`, value);
  return actual => pattern.matcher(actual).find() === (op === '=~');
}

function compileCondition(condition: Condition): Step {
  switch (condition.type) {
    case 'and':
    case 'or': {
      const left = compileCondition(condition.left);
      const right = compileCondition(condition.right);
      return condition.type === 'and' ? row => left(row) && right(row) : row => left(row) || right(row);
    }
    case 'text': {
      const holds = compileMatcher(condition.matcher);
      return row => holds(row.label(condition.matcher.name));
    }
    default:
      return compileNumeric(condition);
  }
}

const readers: Readonly<Record<NumericCondition['type'], (text: string) => number>> = {
  number: text => (text.trim() === '' ? Number.NaN : Number(text)),
  duration: parseSeconds,
  bytes: parseSize,
};

/** A label that is no number keeps the row and is marked, as Loki has it; a label that is missing drops the row. */
function compileNumeric({ type, label, op, value }: NumericCondition): Step {
  const read = readers[type];
  return row => {
    const text = row.label(label);
    if (text === '') return false;
    const number = read(text);
    if (!Number.isNaN(number)) return compare(number, op, value);
    row.set(ERROR_LABEL, 'LabelFilterErr');
    return true;
  };
}

function compare(a: number, op: NumericCondition['op'], b: number): boolean {
  switch (op) {
    case '=':
      return a === b;
    case '!=':
      return a !== b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
  }
}

function compileSelection({ type, names, matchers }: Extract<Stage, { type: 'drop' | 'keep' }>): Step {
  const tests = matchers.map(matcher => ({ name: matcher.name, holds: compileMatcher(matcher) }));
  const named = (row: Row, name: string): boolean =>
    names.includes(name) || tests.some(test => test.name === name && test.holds(row.label(name)));
  return row => {
    for (const name of row.names()) if (named(row, name) === (type === 'drop')) row.remove(name);
    return true;
  };
}

function compileLabelFormat({ changes }: Extract<Stage, { type: 'label_format' }>): Step {
  const compiled = changes.map(({ label, from }) => {
    if ('template' in from) {
      const render = compileTemplate(from.template);
      return (row: Row) => row.set(label, render(row));
    }
    return (row: Row) => {
      const value = row.label(from.label);
      row.remove(from.label);
      row.set(label, value);
    };
  });
  return row => {
    for (const change of compiled) change(row);
    return true;
  };
}
