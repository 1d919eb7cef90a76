// Does nothing: stands where the agent stands, to compare an application with and without it.
export {};
