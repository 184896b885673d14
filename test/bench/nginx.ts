import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Child, freePort, startChild } from './child.ts'

/**
 * nginx as a plain reverse proxy: one worker, kept-alive connections, no token check. `pid` is the worker's. Undefined
 * if nginx is not on PATH.
 */
export async function startNginx(
  directory: string,
  upstreamPort: number,
  core: number | undefined,
): Promise<Child | undefined> {
  const binary = onPath('nginx')
  if (binary === undefined) return undefined
  const port = await freePort()
  const file = join(directory, 'nginx.conf')
  writeFileSync(file, configuration(directory, port, upstreamPort))
  const master = await startChild([binary, '-e', join(directory, 'nginx.log'), '-c', file], { core, port })
  return { ...master, pid: onlyChildOf(master.pid) }
}

function onPath(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  return directories.map((directory) => join(directory, name)).find((file) => existsSync(file))
}

function onlyChildOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
}

function configuration(directory: string, port: number, upstreamPort: number): string {
  return `
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  keepalive_requests 100000000;
  upstream mcp { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location = /bench {
      proxy_pass http://mcp/mcp;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer upstream-credential";
    }
  }
}
`
}
