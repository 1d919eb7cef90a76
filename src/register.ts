// `node --require tricord/register app.js`, or `--import`: starts the agent and instruments the application's libraries.
import { register } from './instrument/registration.ts';

register();
