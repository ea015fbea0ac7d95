// Indicators of a chart: lines to look at, so they are computed with the browser's own numbers.
const at = (bars, values) => bars.map((bar, k) => ({ time: bar.time, value: values[k] })).filter((one) => Number.isFinite(one.value));

function average(values, count) {
  let sum = 0;
  return values.map((value, k) => {
    sum += value - (k >= count ? values[k - count] : 0);
    return k >= count - 1 ? sum / count : NaN;
  });
}

// Begins with the mean of the first ones.
function exponential(values, count) {
  const factor = 2 / (count + 1);
  let now = NaN, first = [];
  return values.map((value) => {
    if (!Number.isFinite(value)) return NaN;
    if (Number.isNaN(now)) {
      first.push(value);
      if (first.length < count) return NaN;
      now = first.reduce((sum, one) => sum + one, 0) / count;
      first = [];
      return now;
    }
    return now += factor * (value - now);
  });
}

function deviation(values, count) {
  const mean = average(values, count);
  return values.map((_, k) => k < count - 1 ? NaN
    : Math.sqrt(values.slice(k - count + 1, k + 1).reduce((sum, one) => sum + (one - mean[k]) ** 2, 0) / count));
}

// Wilder's: gains and losses smoothed alike.
function strength(values, count) {
  let up = 0, down = 0;
  return values.map((value, k) => {
    if (k === 0) return NaN;
    const moved = value - values[k - 1], gain = Math.max(moved, 0), loss = Math.max(-moved, 0);
    if (k <= count) { up += gain / count; down += loss / count; } else { up += (gain - up) / count; down += (loss - down) / count; }
    if (k < count) return NaN;
    return down === 0 ? 100 : 100 - 100 / (1 + up / down);
  });
}

const closes = (bars) => bars.map((bar) => bar.close);

// Each: name, colour (of the page), pane (0: on the candles), lines.
export const INDICATORS = {
  sma: (bars) => [{ name: "SMA 20", colour: "s2", pane: 0, points: at(bars, average(closes(bars), 20)) }],
  ema: (bars) => [{ name: "EMA 50", colour: "s3", pane: 0, points: at(bars, exponential(closes(bars), 50)) }],
  bollinger: (bars) => {
    const mean = average(closes(bars), 20), spread = deviation(closes(bars), 20);
    return [1, -1].map((side) => ({ name: `BB 20/2 ${side > 0 ? "+" : "\u2212"}`, colour: "s6", pane: 0, points: at(bars, mean.map((one, k) => one + side * 2 * spread[k])) }));
  },
  vwap: (bars) => {
    let money = 0, volume = 0, day = "";
    return [{ name: "VWAP", colour: "s1", pane: 0, points: at(bars, bars.map((bar) => {
      const now = new Date(bar.time * 1000).toISOString().slice(0, 10);
      if (now !== day) { day = now; money = 0; volume = 0; }
      money += (bar.high + bar.low + bar.close) / 3 * bar.volume;
      volume += bar.volume;
      return volume ? money / volume : NaN;
    })) }];
  },
  rsi: (bars) => [{ name: "RSI 14", colour: "s3", pane: 1, points: at(bars, strength(closes(bars), 14)), levels: [30, 70] }],
  macd: (bars) => {
    const fast = exponential(closes(bars), 12), slow = exponential(closes(bars), 26);
    const line = fast.map((one, k) => one - slow[k]), signal = exponential(line, 9);
    return [{ name: "MACD 12/26", colour: "s1", pane: 2, points: at(bars, line) }, { name: "Signal 9", colour: "s2", pane: 2, points: at(bars, signal) }];
  },
};
