// Views: which instruments become which metrics, other than they would by themselves.
import { OptionError } from '../errors.ts';
import type { ScopeRecord } from '../transport/otlp/record.ts';
import { AttributeFilter } from './attribute-filter.ts';
import type { InstrumentDescriptor, InstrumentKind } from './descriptor.ts';
import { checkView } from './view-check.ts';

/** Which instruments a view is for: those that meet all that is given, which is one thing at least. */
export interface ViewSelector {
  /** Whatever its case; `?` stands for one character, `*` for any number of them. */
  readonly instrumentName?: string;
  readonly instrumentType?: InstrumentKind;
  readonly unit?: string;
  readonly meterName?: string;
  readonly meterVersion?: string;
  readonly meterSchemaUrl?: string;
}

/** How measurements become points. `default` is what the instrument would have without a view. */
export type ViewAggregation =
  | { readonly type: 'default' | 'drop' | 'sum' | 'last_value' }
  | {
      readonly type: 'explicit_bucket_histogram';
      /** Finite and ascending; by default those of the specification. */
      readonly boundaries?: readonly number[];
      readonly recordMinMax?: boolean;
    }
  | {
      readonly type: 'base2_exponential_bucket_histogram';
      /** Buckets, 2 to 512; 160 by default. */
      readonly maxSize?: number;
      /** -10 to 20; 20 by default. */
      readonly maxScale?: number;
      readonly recordMinMax?: boolean;
    };

/** What is different about the metric; the rest is as the instrument says. */
export interface ViewStream {
  /** Only for a view that selects a single instrument by its name. */
  readonly name?: string;
  readonly description?: string;
  /** The attributes that make series: only those included, and none of those excluded. */
  readonly attributeKeys?: { readonly included?: readonly string[]; readonly excluded?: readonly string[] };
  readonly aggregation?: ViewAggregation;
  /** Series, beside the one of the overflow. */
  readonly cardinalityLimit?: number;
}

/** A view (metrics SDK specification, "View"), in the words of OpenTelemetry's configuration file. */
export interface View {
  readonly selector: ViewSelector;
  readonly stream?: ViewStream;
}

/** A view that was checked, ready to be asked about instruments. */
export class CheckedView {
  readonly stream: ViewStream;
  readonly filter: AttributeFilter | undefined;
  readonly #selector: ViewSelector;
  readonly #name: RegExp | undefined;

  /** @throws OptionError naming what cannot be used of it, and what would be right */
  constructor(view: View, path: string) {
    checkView(view, path);
    const { selector, stream = {} } = view;
    this.stream = stream;
    this.#selector = selector;
    this.#name = selector.instrumentName === undefined ? undefined : pattern(selector.instrumentName);
    const keys = stream.attributeKeys;
    this.filter = keys && new AttributeFilter(keys.included, keys.excluded);
  }

  selects({ name, kind, unit }: InstrumentDescriptor, scope: ScopeRecord): boolean {
    const { instrumentType, unit: unitWanted, meterName, meterVersion, meterSchemaUrl } = this.#selector;
    return (
      (this.#name?.test(name) ?? true) &&
      (instrumentType ?? kind) === kind &&
      (unitWanted ?? unit) === unit &&
      (meterName ?? scope.name) === scope.name &&
      (meterVersion ?? scope.version) === scope.version &&
      (meterSchemaUrl ?? scope.schemaUrl) === scope.schemaUrl
    );
  }
}

/** @throws OptionError for the first view that cannot be used */
export function checkedViews(views: readonly View[]): CheckedView[] {
  if (!Array.isArray(views)) throw new OptionError('views takes a list of views.');
  return views.map((view, index) => new CheckedView(view, `views[${index}]`));
}

/** A name with wildcards; runs of asterisks are one, so that none is tried in several ways. */
function pattern(name: string): RegExp {
  const escaped = name.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\*+/g, '.*').replaceAll('?', '.')}$`, 'is');
}
