import type { Case } from '../case.ts'
import { startNginx } from '../nginx-process.ts'
import { SAME_TOKEN } from './token-check.ts'

/** nginx as a plain reverse proxy: kept-alive connections, requests streamed, no token check. */
export const nginx: Case = {
  name: 'nginx',
  title: 'nginx',
  async start({ directory, upstreamPort, proxyCore, keep }) {
    const proxy = await startNginx(directory, 'proxy', (port) => configuration(port, upstreamPort), proxyCore)
    if (!proxy) return 'nginx is not on PATH'
    keep(proxy)
    return { url: `http://127.0.0.1:${proxy.port}/bench`, tokens: [SAME_TOKEN], proxy }
  },
}

function configuration(port: number, upstreamPort: number): string {
  return `
  upstream mcp {
    server 127.0.0.1:${upstreamPort};
    keepalive 512;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }
  server {
    listen 127.0.0.1:${port} backlog=8192;
    client_max_body_size 0;
    location = /bench {
      proxy_pass http://mcp/mcp;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer upstream-credential";
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_read_timeout 600s;
    }
  }`
}
