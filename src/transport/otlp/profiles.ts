// Writes profiles as an `ExportProfilesServiceRequest`: what they share stands in one dictionary.
import type { IdWords } from './trace.ts';
import type { Writer } from './writer.ts';

/** A place in the code that a stack has. */
export interface ProfileFrame {
  readonly functionName: string;
  /** A path or URL; empty where there is none. */
  readonly file: string;
  /** Where the function begins, from 1 on; 0: not known. */
  readonly startLine: number;
}

/** What was seen with one stack. */
export interface ProfileSample {
  /** Into the dictionary's stacks. */
  readonly stack: number;
  /** When, in nanoseconds since the anchor, ascending. */
  readonly times: readonly number[];
  /** For how long each time, in nanoseconds of processor time. */
  readonly values: readonly number[];
}

/** The samples of one span. */
export interface ProfileRecord {
  /** 16 bytes. */
  readonly id: Uint8Array;
  /** The span that they are linked with. */
  readonly identity: IdWords;
  /** Nanoseconds since the anchor. */
  readonly startTime: number;
  readonly durationNanos: number;
  readonly samples: readonly ProfileSample[];
}

export interface ProfilesRecord {
  /** Serialized `opentelemetry.proto.resource.v1.Resource`. */
  readonly resource: Uint8Array;
  readonly scope: string;
  readonly frames: readonly ProfileFrame[];
  /** Each from the innermost frame outwards, by the frames' indices. */
  readonly stacks: readonly (readonly number[])[];
  readonly periodNanos: number;
  readonly profiles: readonly ProfileRecord[];
}

/** Index 0 of each table is the empty element, which stands for none. */
const FIRST = 1;

/** Texts by the order in which they were first asked for. */
class StringTable {
  readonly texts: string[] = [''];
  readonly #indices = new Map([['', 0]]);

  index(text: string): number {
    let index = this.#indices.get(text);
    if (index === undefined) {
      index = this.texts.push(text) - 1;
      this.#indices.set(text, index);
    }
    return index;
  }
}

/*
 * message ExportProfilesServiceRequest { repeated ResourceProfiles resource_profiles = 1; ProfilesDictionary dictionary = 2; }
 * message ResourceProfiles { Resource resource = 1; repeated ScopeProfiles scope_profiles = 2; }
 * message ScopeProfiles { InstrumentationScope scope = 1; repeated Profile profiles = 2; }
 */
/**
 * Source: opentelemetry-proto 1.11, `profiles/v1development/profiles.proto`, whose state is alpha.
 */
export function encodeProfiles(writer: Writer, record: ProfilesRecord): void {
  const strings = new StringTable();
  const resourceMark = writer.message(1);
  writer.blob(1, record.resource);
  const scopeMark = writer.message(2);
  const nameMark = writer.message(1);
  writer.string(1, record.scope);
  writer.close(nameMark);
  record.profiles.forEach(
    (profile, i) => void encodeProfile(writer, profile, i, record.periodNanos, strings),
  );
  writer.close(scopeMark);
  writer.close(resourceMark);
  encodeDictionary(writer, record, strings);
}

/*
 * message Profile {
 *   ValueType sample_type = 1; repeated Sample samples = 2; fixed64 time_unix_nano = 3; uint64 duration_nano = 4;
 *   ValueType period_type = 5; int64 period = 6; bytes profile_id = 7;
 * }
 */
function encodeProfile(
  writer: Writer,
  profile: ProfileRecord,
  link: number,
  periodNanos: number,
  strings: StringTable,
): void {
  const mark = writer.message(2);
  encodeCpuTime(writer, 1, strings);
  for (const sample of profile.samples) encodeSample(writer, sample, link + FIRST);
  writer.time(3, profile.startTime);
  writer.uint(4, profile.durationNanos);
  encodeCpuTime(writer, 5, strings);
  writer.int(6, periodNanos);
  writer.blob(7, profile.id);
  writer.close(mark);
}

/** message ValueType { int32 type_strindex = 1; int32 unit_strindex = 2; } */
function encodeCpuTime(writer: Writer, field: number, strings: StringTable): void {
  const mark = writer.message(field);
  writer.uint(1, strings.index('cpu'));
  writer.uint(2, strings.index('nanoseconds'));
  writer.close(mark);
}

/*
 * message Sample {
 *   int32 stack_index = 1; int32 link_index = 3; repeated int64 values = 4; repeated fixed64 timestamps_unix_nano = 5;
 * }
 */
function encodeSample(writer: Writer, { stack, times, values }: ProfileSample, link: number): void {
  const mark = writer.message(2);
  writer.uint(1, stack + FIRST);
  writer.uint(3, link);
  encodePacked(writer, 4, values);
  const timesMark = writer.message(5, times.length * 8);
  for (const time of times) writer.bareTime(time);
  writer.close(timesMark);
  writer.close(mark);
}

function encodePacked(writer: Writer, field: number, values: readonly number[]): void {
  const mark = writer.message(field);
  for (const value of values) writer.varint(value);
  writer.close(mark);
}

/*
 * message ProfilesDictionary {
 *   repeated Mapping mapping_table = 1; repeated Location location_table = 2; repeated Function function_table = 3;
 *   repeated Link link_table = 4; repeated string string_table = 5; repeated KeyValueAndUnit attribute_table = 6;
 *   repeated Stack stack_table = 7;
 * }
 */
function encodeDictionary(writer: Writer, record: ProfilesRecord, strings: StringTable): void {
  const mark = writer.message(2);
  encodeEmpty(writer, 1);
  encodeEmpty(writer, 2);
  record.frames.forEach((_, i) => void encodeLocation(writer, i + FIRST));
  encodeEmpty(writer, 3);
  for (const frame of record.frames) encodeFunction(writer, frame, strings);
  encodeLink(writer, { t0: 0, t1: 0, t2: 0, t3: 0, s0: 0, s1: 0 });
  for (const { identity } of record.profiles) encodeLink(writer, identity);
  for (const text of strings.texts) writer.string(5, text);
  encodeEmpty(writer, 6);
  encodeEmpty(writer, 7);
  for (const frames of record.stacks) {
    const stackMark = writer.message(7);
    encodePacked(
      writer,
      1,
      frames.map(frame => frame + FIRST),
    );
    writer.close(stackMark);
  }
  writer.close(mark);
}

/** The first element of a table. */
function encodeEmpty(writer: Writer, field: number): void {
  writer.close(writer.message(field));
}

/** message Location { repeated Line lines = 3; } message Line { int32 function_index = 1; } */
function encodeLocation(writer: Writer, functionIndex: number): void {
  const mark = writer.message(2);
  const lineMark = writer.message(3);
  writer.uint(1, functionIndex);
  writer.close(lineMark);
  writer.close(mark);
}

/** message Function { int32 name_strindex = 1; int32 filename_strindex = 3; int64 start_line = 4; } */
function encodeFunction(
  writer: Writer,
  { functionName, file, startLine }: ProfileFrame,
  strings: StringTable,
): void {
  const mark = writer.message(3);
  writer.uint(1, strings.index(functionName));
  if (file !== '') writer.uint(3, strings.index(file));
  if (startLine > 0) writer.int(4, startLine);
  writer.close(mark);
}

/** message Link { bytes trace_id = 1; bytes span_id = 2; } */
function encodeLink(writer: Writer, { t0, t1, t2, t3, s0, s1 }: IdWords): void {
  const mark = writer.message(4);
  writer.traceId(1, t0, t1, t2, t3);
  writer.spanId(2, s0, s1);
  writer.close(mark);
}
