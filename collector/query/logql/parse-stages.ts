// The pipeline part of LogQL's syntax: selectors, filters, parsers, formats.
import type { parser } from '@grafana/lezer-logql';
import type { Matcher } from '../../store/store.ts';
import { QueryError } from '../promql/ast.ts';
import { unquote } from '../promql/literals.ts';
import type {
  Condition,
  Extraction,
  LabelChange,
  LineFilter,
  Measure,
  NumericCondition,
  Stage,
} from './ast.ts';
import { parseSeconds, parseSize } from './values.ts';

export type Node = ReturnType<typeof parser.parse>['topNode'];

export function childrenOf(node: Node | null): Node[] {
  const children: Node[] = [];
  for (let child = node?.firstChild ?? null; child !== null; child = child.nextSibling) children.push(child);
  return children;
}

/** Lists nest to the left in the grammar: `list(list(item) item)` becomes `[item, item]`. */
function listOf(node: Node | null, item: string): Node[] {
  return childrenOf(node).flatMap(child => (child.name === item ? [child] : listOf(child, item)));
}

export class StageReading {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  protected textOf(node: Node): string {
    return this.#text.slice(node.from, node.to);
  }

  protected fail(node: Node, message: string): never {
    const before = this.#text.slice(0, node.from).split('\n');
    throw new QueryError(
      `parse error at line ${before.length}, col ${before.at(-1)!.length + 1}: ${message}`,
    );
  }

  refuseErrors(root: Node): void {
    root.cursor().iterate(node => {
      if (!node.type.isError) return;
      const rest = this.#text.slice(node.from, node.from + 20);
      this.fail(node.node, rest === '' ? 'unexpected end of input' : `unexpected "${rest}"`);
    });
  }

  protected selector(node: Node): Matcher[] {
    const matchers = listOf(node.getChild('Matchers'), 'Matcher').map(matcher => this.#matcher(matcher));
    if (
      matchers.every(
        ({ op, value }) =>
          (op === '=' && value === '') || (op === '=~' && /^\.\*$|^$/.test(value)) || op.startsWith('!'),
      )
    ) {
      this.fail(
        node,
        'queries require at least one matcher that does not match everything, such as {service_name=~".+"}',
      );
    }
    return matchers;
  }

  #matcher(node: Node): Matcher {
    const [name, op, value] = childrenOf(node);
    return {
      name: this.textOf(name!),
      op: this.textOf(op!) as Matcher['op'],
      value: unquote(this.textOf(value!)),
    };
  }

  protected stages(node: Node | null): Stage[] {
    return listOf(node, 'PipelineStage').flatMap(stage => this.#stage(stage));
  }

  #stage(node: Node): Stage[] {
    const child = childrenOf(node).find(({ name }) => name !== 'Pipe')!;
    switch (child.name) {
      case 'LineFilters':
        return listOf(child, 'LineFilter').map(filter => this.#lineFilter(filter));
      case 'LabelFilter':
        return [{ type: 'label', condition: this.#condition(child) }];
      case 'LogfmtParser':
        return [{ type: 'logfmt' }];
      case 'LabelParser':
        return [this.#parser(child)];
      case 'JsonExpressionParser':
        return [
          {
            type: 'json',
            extract: listOf(child, 'LabelExtractionExpression').map(one => this.#extraction(one)),
          },
        ];
      case 'DropLabelsExpr':
        return [{ type: 'drop', ...this.#named(listOf(child, 'DropLabel')) }];
      case 'KeepLabelsExpr':
        return [{ type: 'keep', ...this.#named(listOf(child, 'KeepLabel')) }];
      case 'LabelFormatExpr':
        return [
          {
            type: 'label_format',
            changes: listOf(child, 'LabelFormatMatcher').map(one => this.#change(one)),
          },
        ];
      case 'LineFormatExpr':
        return [{ type: 'line_format', template: unquote(this.textOf(child.getChild('String')!)) }];
      default:
        return this.fail(child, `the stage "| ${this.textOf(child)}" is not supported`);
    }
  }

  #lineFilter(node: Node): LineFilter {
    const [sign, ...rest] = childrenOf(node);
    const op = this.textOf(childrenOf(node.getChild('Filter'))[0] ?? sign!) as LineFilter['op'];
    if (!['|=', '!=', '|~', '!~'].includes(op))
      this.fail(node, `the line filter "${this.textOf(node)}" is not supported`);
    const texts: string[] = [];
    for (const part of rest) {
      part.cursor().iterate(inner => {
        if (inner.name === 'FilterOp')
          this.fail(inner.node, `${this.textOf(inner.node)}() is not supported in line filters`);
        if (inner.name === 'String') texts.push(unquote(this.textOf(inner.node)));
      });
    }
    return { type: 'line', op, texts };
  }

  #condition(node: Node): Condition {
    const nested = node.getChildren('LabelFilter');
    if (nested.length === 1) return this.#condition(nested[0]!);
    if (nested.length === 2) {
      const type = node.getChild('Or') === null ? 'and' : 'or';
      return { type, left: this.#condition(nested[0]!), right: this.#condition(nested[1]!) };
    }
    const matcher = node.getChild('Matcher');
    if (matcher !== null) return { type: 'text', matcher: this.#matcher(matcher) };
    const number = node.getChild('NumberFilter');
    if (number !== null) return this.#numeric(number, 'number', Number);
    const duration = node.getChild('UnitFilter')?.getChild('DurationFilter');
    if (duration) return this.#numeric(duration, 'duration', parseSeconds);
    const bytes = node.getChild('UnitFilter')?.getChild('BytesFilter');
    if (bytes) return this.#numeric(bytes, 'bytes', parseSize);
    return this.fail(node, `the label filter "${this.textOf(node)}" is not supported`);
  }

  #numeric(node: Node, type: NumericCondition['type'], parse: (text: string) => number): NumericCondition {
    const [label, sign, value] = childrenOf(node);
    const op = this.textOf(sign!) === '==' ? '=' : (this.textOf(sign!) as NumericCondition['op']);
    const number = parse(this.textOf(value!));
    if (Number.isNaN(number)) this.fail(value!, `"${this.textOf(value!)}" is not a ${type}`);
    return { type, label: this.textOf(label!), op, value: number };
  }

  #parser(node: Node): Stage {
    if (node.getChild('Json') !== null) return { type: 'json', extract: [] };
    return this.fail(node, `the parser "${this.textOf(node.firstChild!)}" is not supported`);
  }

  #extraction(node: Node): Extraction {
    const label = this.textOf(node.getChild('Identifier')!);
    const path = node.getChild('String');
    const text = path === null ? label : unquote(this.textOf(path));
    return {
      label,
      path: [...text.matchAll(/\["([^"]*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
        part => part[1] ?? part[2] ?? part[3]!,
      ),
    };
  }

  #named(nodes: readonly Node[]): { matchers: Matcher[]; names: string[] } {
    const matchers = nodes
      .flatMap(node => node.getChildren('Matcher'))
      .map(matcher => this.#matcher(matcher));
    const names = nodes.flatMap(node => node.getChildren('Identifier')).map(name => this.textOf(name));
    return { matchers, names };
  }

  #change(node: Node): LabelChange {
    const label = this.textOf(node.firstChild!);
    const value = node.lastChild!;
    const from =
      value.name === 'Identifier' ? { label: this.textOf(value) } : { template: unquote(this.textOf(value)) };
    return { label, from };
  }

  protected unwrap(range: Node): Measure | undefined {
    const node = range.getChild('UnwrapExpr');
    if (node === null) return undefined;
    let label = '';
    let conversion: 'duration' | 'bytes' | undefined;
    node.cursor().iterate(inner => {
      if (inner.name === 'Identifier') label = this.textOf(inner.node);
      if (inner.name === 'ConvOp')
        conversion = this.textOf(inner.node).startsWith('bytes') ? 'bytes' : 'duration';
    });
    return { unwrap: label, conversion };
  }
}
