// Route templates of real NestJS applications, on Express and on Fastify.
import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import 'reflect-metadata';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  Module,
  Param,
  Post,
  UseGuards,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { trace } from '@opentelemetry/api';
import { instrumentExpress } from '../../src/instrument/express.ts';
import { instrumentFastify } from '../../src/instrument/fastify.ts';
import { instrumentHttpServer } from '../../src/instrument/http-server.ts';
import { routeOf, spanOf } from './server-span.ts';
import { Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentHttpServer();
instrumentExpress();
instrumentFastify();

let handlerSpan: string | undefined;

class Users {
  async one(id: string): Promise<string> {
    await new Promise(resolve => setImmediate(resolve));
    handlerSpan = trace.getActiveSpan()?.spanContext().spanId;
    return `user ${id}`;
  }

  boom(): void {
    throw new RangeError('boom');
  }

  guarded(): string {
    return 'never';
  }
}

class Guard implements CanActivate {
  canActivate(_context: ExecutionContext): boolean {
    return false;
  }
}

class Application {}

/** What `@Controller`, `@Get` and so on do: Node takes types away, but leaves no decorators. */
function decorate(): void {
  const method = (name: keyof Users, ...decorators: MethodDecorator[]): void => {
    const descriptor = Object.getOwnPropertyDescriptor(Users.prototype, name)!;
    for (const decorator of decorators) decorator(Users.prototype, name, descriptor);
  };
  Controller('users')(Users);
  method('one', Get(':id'));
  Param('id')(Users.prototype, 'one', 0);
  method('boom', Post(':id/boom'));
  method('guarded', Get(':id/guarded'), UseGuards(Guard));
  Module({ controllers: [Users] })(Application);
}
decorate();

const adapters = {
  Express: () => new ExpressAdapter(),
  Fastify: () => new FastifyAdapter(),
};

for (const [name, adapter] of Object.entries(adapters)) {
  describe(`a span of a NestJS application on ${name}`, () => {
    let app: INestApplication;
    let server: Server;
    before(async () => {
      app = await NestFactory.create(Application, adapter(), { logger: false });
      app.setGlobalPrefix('api');
      await app.listen(0, '127.0.0.1');
      server = app.getHttpServer() as Server;
    });
    after(() => app.close());

    it('is named for the route, the prefix included, and active in the handler', async () => {
      const span = await spanOf(telemetry, server, '/api/users/7');
      assert.deepEqual(routeOf(span), ['GET /api/users/:id', '/api/users/:id', 200]);
      assert.equal(handlerSpan, span.spanId);
    });

    it('keeps its route when a handler fails or a guard turns the request away', async () => {
      const failed = await spanOf(telemetry, server, '/api/users/7/boom', { method: 'POST' });
      assert.deepEqual(routeOf(failed), ['POST /api/users/:id/boom', '/api/users/:id/boom', 500]);
      assert.equal(failed.status, 2);
      const guarded = await spanOf(telemetry, server, '/api/users/7/guarded');
      assert.deepEqual(routeOf(guarded), ['GET /api/users/:id/guarded', '/api/users/:id/guarded', 403]);
    });

    it('has no route when there was none', async () => {
      assert.deepEqual(routeOf(await spanOf(telemetry, server, '/nowhere')), ['GET', undefined, 404]);
    });
  });
}
