import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { type Child, freePort, onPath, startChild } from './child.ts'

/**
 * nginx with one worker, whose process id is `pid`, and what `http` puts into its http block for the port that it is
 * to listen on. Undefined if nginx is not on PATH.
 */
export async function startNginx(
  directory: string,
  name: string,
  http: (port: number) => string,
  core: number | undefined,
): Promise<Child | undefined> {
  const binary = onPath('nginx')
  if (binary === undefined) return undefined
  const port = await freePort()
  const file = join(directory, `${name}.conf`)
  writeFileSync(file, configuration(join(directory, name), http(port)))
  const master = await startChild([binary, '-e', join(directory, `${name}.log`), '-c', file], { core, port })
  return { ...master, pid: await workerOf(master.pid) }
}

/** The master listens before it has started its worker. */
async function workerOf(pid: number): Promise<number> {
  for (;;) {
    const [worker = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
    if (worker !== '') return Number(worker)
    await after(2)
  }
}

function configuration(prefix: string, http: string): string {
  return `
daemon off;
worker_processes 1;
pid ${prefix}.pid;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path ${prefix}-body;
  proxy_temp_path ${prefix}-proxy;
  fastcgi_temp_path ${prefix}-fastcgi;
  uwsgi_temp_path ${prefix}-uwsgi;
  scgi_temp_path ${prefix}-scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  ${http}
}
`
}
