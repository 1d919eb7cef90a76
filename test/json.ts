// What an HTTP API answered, for assertions to look into.

// biome-ignore lint/suspicious/noExplicitAny: the assertions say what it must be
export type Json = any;
