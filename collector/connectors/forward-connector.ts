// The `forward` connector: hands batches of one pipeline to others of the same signal, so that they share a part.
import { z } from 'zod';
import { type ConnectorFactory, factory } from '../factory.ts';

export const forwardConnector: ConnectorFactory = {
  ...factory(z.strictObject({}), async () => ({ needs: 'bytes' as const, process: batch => batch })),
  connects: (from, to) => from === to,
};
