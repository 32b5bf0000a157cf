/** What the operator and `slipway probe` on a server say to each other, as JSON on standard input and output. */

export interface ListenRequest {
  /** The server's own address: other interfaces are none of the cluster's. */
  address: string;
  tcpPorts: number[];
  /** Where `ListenReady` is written. */
  readyFile: string;
  /** 32 hexadecimal digits that datagrams must carry to be answered. */
  token: string;
  lifetimeMs: number;
}

export interface ListenReady {
  /** TCP ports that the listener holds; the others are held by somebody already. */
  tcpPorts: number[];
  udpPort: number;
}

export interface MeasureRequest {
  token: string;
  targets: MeasureTarget[];
  /** The disk of this directory, or of its nearest parent that is there, is written to; absent: no disk. */
  diskDirectory?: string;
}

export interface MeasureTarget {
  name: string;
  address: string;
  tcpPorts: number[];
  /** Absent: nobody answers datagrams there. */
  udpPort?: number;
  /** Of the interface that leads there: nothing larger is tried. */
  mtu: number;
}

/** 'refused': the server answers, the port does not. 'silent': no answer at all, as a firewall drops packets. */
export type TcpVerdict = 'open' | 'refused' | 'silent' | 'unreachable';

export interface TargetResult {
  name: string;
  tcp: Array<{ port: number; verdict: TcpVerdict }>;
  udp?: UdpResult;
}

export interface UdpResult {
  sent: number;
  received: number;
  /** Absent where nothing came back. */
  roundTripMs?: { p50: number; max: number };
  /** The other server's clock less this one's, as the quickest answer tells. */
  clockOffsetMs?: number;
  /** The largest packet that gets there whole; absent where nothing came back. */
  pathMtu?: number;
}

export interface DiskResult {
  directory: string;
  writes: number;
  p50Ms: number;
  p99Ms: number;
}

export interface MeasureResult {
  targets: TargetResult[];
  disk?: DiskResult;
}

/** The value below which `share` of the sorted values lie. */
export const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
