// Subscribes to diagnostics channels: once per process, and so that nothing thrown here reaches the application.
import { subscribe } from 'node:diagnostics_channel';
import { reportFault } from './fault.ts';

/**
 * Calls `handler` with every message of the channel. Node turns an exception in a subscriber into an uncaught one, so
 * it is caught here.
 */
export function listen<Message>(channel: string, handler: (message: Message) => void): void {
  subscribe(channel, message => {
    try {
      handler(message as Message);
    } catch (error) {
      reportFault(`the instrumentation on channel ${channel}`, error);
    }
  });
}
