// The address of one transcript: #t=model,attack,seed,task,prompt, and the run where there are several.

const HERE = "#t=";
const PARTS = ["model", "attack", "seed", "task", "prompt", "run"];

function partsOf({ variant, prompt }) {
  const { model, attack, seed, run } = variant;
  return [model, attack, String(seed), prompt.task, prompt.id, run];
}

function addressOf(answer) {
  const others = [...answer.prompt.answers.values()].map((other) => other.variant.run);
  const parts = partsOf(answer).slice(0, new Set(others).size > 1 ? PARTS.length : -1);
  return HERE + parts.map(encodeURIComponent).join(",");
}

function readAddress(hash) {
  if (!hash.startsWith(HERE)) return null;
  try {
    return hash.slice(HERE.length).split(",").map(decodeURIComponent);
  } catch {
    return []; // no sound address: it names nothing
  }
}

function showAddress(hash) {
  history.replaceState(null, "", hash);
}

// Open what the address names, now and whenever it changes; say so if the page does not hold it.
function followAddress(answers, compare) {
  const notice = document.getElementById("transcripts-notice");
  const follow = () => {
    const parts = readAddress(location.hash);
    if (parts === null) return;
    const fits = (answer) => partsOf(answer).every((part, i) => i >= parts.length || part === parts[i]);
    const whole = parts.length >= PARTS.length - 1 && parts.length <= PARTS.length;
    const answer = whole ? answers.find(fits) : undefined;
    notice.hidden = answer !== undefined;
    if (answer !== undefined) {
      notice.textContent = "";
      compare.open(answer);
      return;
    }
    compare.close();
    const named = PARTS.map((name, i) => (parts[i] ? `${name} ${parts[i]}` : "")).filter(Boolean);
    notice.textContent = `This page holds no such answer: ${named.join(", ") || "the address is broken"}.`;
    document.getElementById("transcripts").scrollIntoView();
  };
  addEventListener("hashchange", follow);
  follow();
}

// The whole address to the clipboard; where that is forbidden, shown to be copied by hand.
async function copyAddress(answer, { status, field }) {
  const address = new URL(addressOf(answer), location.href).href;
  try {
    await navigator.clipboard.writeText(address);
    field.hidden = true;
    status.textContent = "Link copied.";
  } catch {
    field.hidden = false;
    field.value = address;
    field.focus();
    field.select();
    status.textContent = "The browser forbids copying; the link stands selected below.";
  }
}
