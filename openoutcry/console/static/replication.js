// Replication: the gate's policy, what is published and acknowledged, lease, nodes, standbys.
import { $, bytes, clock, list, rows, say, span, whole } from "./kit.js";
import { state } from "./link.js";

const ms = (number) => number == null ? "" : number < 10_000 ? `${whole(number)} ms` : `${whole(number / 1e3)} s`;
const ago = (seconds) => seconds == null ? "never" : seconds < 2 ? "now" : `${whole(seconds)} s ago`;
const place = (seq, block) => `command ${whole(seq)}, block ${whole(block)}`;
const kinds = { leader: "good", current: "good", behind: "warning", offline: "critical", "does not run": "critical", unknown: "warning" };

export function showReplication() {
  const replication = state.replication || {}, on = Boolean(replication.replicated);
  $("replication-on").hidden = !on;
  say($("replication-text"), !replication.text ? "" : replication.text[0].toUpperCase() + replication.text.slice(1) + ".");
  if (!on) return;
  showGate(replication);
  showStream(replication);
  showNodes(replication);
  showStandbys(replication.standbys);
  rows($("replication-alarms"), replication.alarms, (one) => one.name, (one) => [[one.state, one.severity], one.name, one.summary, one.acknowledged?.by || ""]);
  $("replication-alarms").hidden = !replication.alarms.length;
  say($("replication-alarms-link"), replication.alarms.length ? "Acknowledge them under Alarms" : "ReplicaBehind and QuorumLost are not active: all alarms");
}

function showGate({ policy, waits_for, which, lease, lease_ms }) {
  const left = lease?.left_ms;
  list($("replication-gate"), [["Policy", policy], ["Waits for", waits_for.join(which === "any" ? " or " : " and ")],
    ["Lease held by", !lease?.holder ? "no known holder" : (lease.given_up ? "given up by " : "") + lease.holder + (lease.here ? " (this venue)" : "")],
    ["Epoch", lease?.holder ? whole(lease.epoch) : ""],
    ["Until", left == null ? "" : left > 0 ? `${clock(lease.until)} UTC, ${ms(left)} left` : "expired: events that wait for the replicas are held back"],
    ["Seen renewed", lease?.holder ? ago(lease.renewed_s) : ""], ["Lasts", ms(lease_ms)]].filter((pair) => pair[1]));
}

function showStream({ published, acknowledged, cluster, stream, nats }) {
  list($("replication-place"), [["Sequenced", published && `command ${whole(published.sequenced)}`], ["Published", published && place(published.seq, published.block)],
    ["Acknowledged", published ? `command ${whole(published.acknowledged_seq)}` : "this venue is not publishing"],
    ["Noted for a restart", acknowledged && `${place(acknowledged.seq, acknowledged.block)}, epoch ${whole(acknowledged.epoch)}`],
    ["Lag", published && `${whole(published.lag_commands)} commands, ${bytes(published.lag_bytes)}, ${ms(published.behind_ms)}`],
    ["Last second", published?.second_ns?.count ? `p50 ${span(published.second_ns.p50)}, p99 ${span(published.second_ns.p99)}` : ""]].filter((pair) => pair[1]));
  list($("replication-stream"), [["Stream", stream], ["At", nats], ["Heard", ago(cluster.age_s)], ["Leader", cluster.leader ?? ""],
    ["Holds", cluster.messages == null ? "" : `${whole(cluster.messages)} messages, ${bytes(cluster.bytes)}`],
    ["Up to", cluster.messages ? `${place(cluster.last_seq, cluster.last_block)}, epoch ${whole(cluster.epoch)}` : ""]].filter((pair) => pair[1]));
  say($("replication-trouble"), cluster.trouble ? `No answer from the cluster: ${cluster.trouble}` : cluster.flaw || "");
}

function verified(node, stream) {
  const row = node.verified?.streams.find((one) => one.venue === stream);
  if (!row) return node.local ? ["never", "warning"] : "";
  return row.flaw ? [`block ${whole(row.block)}, then damaged: ${row.flaw}`, "critical"] : [`block ${whole(row.block)}, ${clock(node.verified.at)}`, ""];
}

function showNodes({ nodes, stream }) {
  $("no-nodes").hidden = nodes.length > 0;
  rows($("nodes"), nodes, (one) => one.node, (one) => [one.node, [one.state, kinds[one.state]], one.lag == null ? "" : whole(one.lag), one.url,
    one.bytes == null ? "" : bytes(one.bytes), one.free_bytes == null ? "" : bytes(one.free_bytes), verified(one, stream), [one.trouble, "critical"]]);
}

function showStandbys(standbys) {
  $("no-standbys").hidden = standbys.length > 0;
  rows($("standbys"), standbys, (one) => one.journal, (one) => [one.journal,
    one.silent ? [`${one.role || "unknown"}, silent for ${whole(one.age_s)} s`, "critical"] : [one.role, one.level || one.role === "leading" ? "good" : "warning"],
    one.role === "leading" ? "" : one.level ? ["level", "good"] : one.lag_blocks == null ? "" : [`${whole(one.lag_blocks)} blocks behind`, "warning"],
    one.prepared ? "yes" : "no", one.last_seq == null ? "" : `${place(one.last_seq, one.last_block)}, epoch ${whole(one.epoch)}`,
    one.verified_seq ? `command ${whole(one.verified_seq)}; ${whole(one.verified_checks)} checks, ${whole(one.verified_states)} of the whole state` : "nothing yet",
    one.state_hash ? `${one.state_hash.slice(0, 16)} after command ${whole(one.commands)}` : "",
    one.takeover_ms ? `${ms(Object.values(one.takeover_ms).reduce((sum, part) => sum + part, 0))}: ` + Object.entries(one.takeover_ms).map(([what, part]) => `${what} ${whole(part)}`).join(", ") : "",
    [[one.trouble, one.reason].filter(Boolean).join("; "), "critical"]]);
}
