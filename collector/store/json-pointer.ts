// How a key of a JSON column is addressed: as a JSON pointer, which every key can be written as.

/** RFC 6901: the member of the outermost object, whatever characters its key has. */
export function jsonPointer(key: string): string {
  return `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
