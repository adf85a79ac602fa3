// Which engine computes: the browser's graphics device, or the server.

import {openDevice} from './device.js';
import {ServerEngine} from './server.js';
import {GpuEngine} from './webgpu.js';

/** The device if there is one; else the server; a slow device before none. */
export async function chooseEngine(site) {
  const wanted = new URLSearchParams(location.search).get('engine');
  const opened = wanted === 'server' ? null
    : await openDevice().catch(() => null);
  if (opened && (wanted === 'webgpu' || !opened.software || !site.server)) {
    return new GpuEngine(opened);
  }
  return site.server
    ? new ServerEngine(site.preview, new URL('api/', location.href)) : null;
}
