// Rules for routes: patterns of span names and paths, each with a sampler of its own.
import type { Attributes } from '@opentelemetry/api';
import type { Sampler } from './sampler.ts';

/** What holds for the first spans of this process that a pattern fits. */
export interface Rule {
  readonly sampler: Sampler;
  /** Nothing is kept of it, whatever comes of it. */
  readonly never: boolean;
}

interface PatternRule extends Rule {
  readonly pattern: Pattern;
}

export class Rules {
  readonly #rules: readonly PatternRule[];

  /**
   * @param probabilities by pattern; the first that fits counts
   * @param samplerOf makes the sampler of a probability, which follows no parent
   */
  constructor(probabilities: Readonly<Record<string, number>>, samplerOf: (probability: number) => Sampler) {
    this.#rules = Object.entries(probabilities).map(([text, probability]) => ({
      pattern: new Pattern(text),
      sampler: samplerOf(probability),
      never: probability === 0,
    }));
  }

  /** Each pattern is held against the span's name, and against `url.path` without and with the method before it. */
  find(name: unknown, attributes: Attributes | undefined): Rule | undefined {
    const path = attributes?.['url.path'];
    const request = path === undefined ? path : `${attributes?.['http.request.method']} ${path}`;
    return this.#rules.find(
      ({ pattern }) => pattern.fits(name) || pattern.fits(path) || pattern.fits(request),
    );
  }
}

/** Text in which `*` stands for any other, the empty one included. Takes time in proportion to the text, whatever it is. */
class Pattern {
  readonly #first: string;
  /** Between two asterisks each. */
  readonly #middle: readonly string[];
  /** Behind the last asterisk; undefined when there is none. */
  readonly #last: string | undefined;

  constructor(text: string) {
    const [first, ...others] = text.split('*');
    this.#first = first!;
    this.#last = others.pop();
    this.#middle = others;
  }

  fits(text: unknown): boolean {
    if (typeof text !== 'string') return false;
    if (this.#last === undefined) return text === this.#first;
    if (!text.startsWith(this.#first)) return false;
    let at = this.#first.length;
    for (const part of this.#middle) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return text.length - this.#last.length >= at && text.endsWith(this.#last);
  }
}
