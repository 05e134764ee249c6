// What pointer, wheel and keys do to a time chart. Rules:
// - a click or tap chooses an instant, a drag sideways a span, two fingers or the wheel (with Ctrl, or once the chart has the focus) another span;
// - arrow keys go to the next of the chart's steps, + and - change the span, Escape lets the chosen instant go.
// A chart tells its frame in data attributes (axis.js), so that it may be drawn anew at any time.

const STILL_PX = 5; // a finger trembles
const SNAP_PX = 7; // about a flag's width
const LEAST_S = 300; // nothing is measured more finely than a trace
const WHEEL_MS = 180; // a turn of the wheel is many events

const numbers = ({ dataset }) => ({ from: Number(dataset.from), to: Number(dataset.to), left: Number(dataset.left), right: Number(dataset.right), width: Number(dataset.width), steps: dataset.steps ? dataset.steps.split(" ").map(Number) : [] });

/** Listens below `root`; choose(instant or null, the chart if it was pointed at), zoom(from, to) and hover(chart, instant or null) get seconds since 1970. */
export function listenToCharts(root, { choose, zoom, hover }) {
  const down = new Map(); // pointer -> { x, at }
  let chart = null;
  let pinched = null;
  let wheel = 0;

  const chartOf = (event) => event.target.closest?.("[data-chart]");

  function instant(clientX, frame = numbers(chart)) {
    const box = chart.getBoundingClientRect();
    const px = ((clientX - box.left) * frame.width) / box.width;
    const at = frame.from + ((px - frame.left) / (frame.right - frame.left)) * (frame.to - frame.from);
    return Math.min(Math.max(at, frame.from), frame.to);
  }

  function drawBrush(from, to) {
    const frame = numbers(chart);
    const px = (at) => frame.left + ((at - frame.from) / (frame.to - frame.from)) * (frame.right - frame.left);
    const brush = chart.querySelector(".brush");
    brush.setAttribute("x", px(Math.min(from, to)));
    brush.setAttribute("width", Math.abs(px(to) - px(from)));
  }

  function zoomBy(factor, around) {
    const { from, to } = numbers(chart);
    const length = Math.max((to - from) * factor, LEAST_S);
    const share = (around - from) / (to - from);
    zoom(around - share * length, around + (1 - share) * length);
  }

  function snapped(at) {
    const { from, to, left, right, steps } = numbers(chart);
    const near = steps.reduce((best, step) => (Math.abs(step - at) < Math.abs(best - at) ? step : best), Infinity);
    return (Math.abs(near - at) / (to - from)) * (right - left) <= SNAP_PX ? near : at;
  }

  function forget() {
    if (chart) drawBrush(0, 0);
    down.clear();
    pinched = null;
  }

  root.addEventListener("pointerdown", (event) => {
    const here = chartOf(event);
    if (!here || event.button > 0) return;
    if (here !== chart) forget();
    chart = here;
    chart.setPointerCapture(event.pointerId);
    down.set(event.pointerId, { x: event.clientX, at: instant(event.clientX) });
  });

  root.addEventListener("pointermove", (event) => {
    const here = chartOf(event);
    const held = down.get(event.pointerId);
    if (!held) {
      if (here && !down.size) {
        chart = here;
        hover(chart, instant(event.clientX));
      }
      return;
    }
    held.now = event.clientX;
    if (down.size === 2) {
      const [a, b] = [...down.values()];
      const distance = Math.abs((a.now ?? a.x) - (b.now ?? b.x));
      pinched = { factor: Math.abs(a.x - b.x) / Math.max(distance, 1), around: (a.at + b.at) / 2 };
    } else if (!pinched && Math.abs(event.clientX - held.x) > STILL_PX) {
      drawBrush(held.at, instant(event.clientX));
    }
  });

  root.addEventListener("pointerup", (event) => {
    const held = down.get(event.pointerId);
    if (!held) return;
    down.delete(event.pointerId);
    if (pinched) {
      if (!down.size) {
        const { factor, around } = pinched;
        forget();
        zoomBy(factor, around);
      }
      return;
    }
    forget();
    const at = instant(event.clientX);
    if (Math.abs(event.clientX - held.x) <= STILL_PX) choose(Math.round(snapped(at)), chart);
    else if (Math.abs(at - held.at) >= 1) zoom(Math.min(at, held.at), Math.max(Math.max(at, held.at), Math.min(at, held.at) + LEAST_S));
  });

  root.addEventListener("pointercancel", forget);
  root.addEventListener("pointerout", (event) => chartOf(event) && !down.size && hover(chartOf(event), null));

  root.addEventListener(
    "wheel",
    (event) => {
      const here = chartOf(event);
      if (!here || !(event.ctrlKey || document.activeElement === here)) return;
      event.preventDefault();
      if (!wheel) {
        chart = here;
        const around = instant(event.clientX);
        setTimeout(() => {
          const factor = 2 ** (wheel / 400);
          wheel = 0;
          zoomBy(factor, around);
        }, WHEEL_MS);
      }
      wheel += event.deltaY || 1;
    },
    { passive: false },
  );

  root.addEventListener("keydown", (event) => {
    const here = chartOf(event);
    if (!here || event.ctrlKey || event.metaKey || event.altKey) return;
    chart = here;
    const { from, to, steps } = numbers(chart);
    const at = Number(chart.getAttribute("aria-valuenow"));
    const keys = {
      ArrowLeft: () => stepTo(steps.filter((step) => step < at).at(-1)),
      ArrowRight: () => stepTo(steps.find((step) => step > at)),
      Escape: () => choose(null),
      "+": () => zoomBy(0.5, Math.min(Math.max(at, from), to)),
      "-": () => zoomBy(2, Math.min(Math.max(at, from), to)),
    };
    const stepTo = (step) => step !== undefined && choose(step);
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
}
