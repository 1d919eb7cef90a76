// Preloaded: `tricord` is the one of the checkout that BENCH_AGENT_OF names.
const { createRequire, registerHooks } = require('node:module');
const { join } = require('node:path');

const { resolve } = createRequire(join(process.env.BENCH_AGENT_OF, 'package.json'));
const files = new Map(['tricord', 'tricord/register'].map(name => [name, resolve(name)]));
registerHooks({
  resolve: (specifier, context, next) => next(files.get(specifier) ?? specifier, context),
});
