// The oldest Node.js that the agent runs on.

export const NODE_MIN = { major: 22, minor: 15 } as const;

export function isSupportedNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > NODE_MIN.major || (major === NODE_MIN.major && minor >= NODE_MIN.minor);
}
