// A rule of a specification as a test that names its section.
import { test } from 'node:test';

/**
 * @param section page and heading of the specification, as "trace/api § Span creation"
 * @param text the rule in few words, as it would be said to somebody who breaks it
 */
export function rule(section: string, text: string, check: () => void | Promise<void>): void {
  test(`${section}: ${text}`, check);
}

/** A rule that does not concern us, or that we do not follow. @param reason why; the suite's summary lists it */
export function notApplicable(section: string, text: string, reason: string): void {
  test(`${section}: ${text}`, { skip: reason });
}
