// Keys of the page, the list that opens while a class is typed, dropped photos and the map.
"use strict";

(() => {
  const byKey = (key) => [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key && !one.disabled);
  const typing = (target) => target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
  let running = 0;

  // Keys ------------------------------------------------------------------------------------------------------------

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (typing(target)) {
      if (event.key === "Enter" && "submitOnEnter" in target.dataset && !event.shiftKey) {
        event.preventDefault();
        target.form.requestSubmit();
      } else if (event.key === "Escape" && !inFinder(event)) target.blur();
      else finderKey(event);
      return;
    }
    const own = event.key === "Enter" && target.closest("a, button, summary, [role=option]");
    if (own || !document.querySelector("#desk, [data-keys]")) return;
    const key = { Enter: "1", "/": "c" }[event.key] || event.key;
    const found = byKey(key.length === 1 ? key.toLowerCase() : key);
    if (!found) return;
    event.preventDefault();
    if (found.matches("input")) found.focus();
    else if (!running) found.click();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-help]")) document.getElementById("help").showModal();
    const from = event.target.closest("[data-revision]");
    if (from) document.getElementById("revision").value = from.dataset.revision;
    if (event.target.closest("[data-dismiss]")) document.getElementById("notice").replaceChildren();
    const option = event.target.closest("[role=option]");
    if (option) choose(option);
    else if (!event.target.closest(".finder")) document.querySelectorAll(".found").forEach(close);
  });

  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-all]")) return;
    event.target.closest("form").querySelectorAll("input[name=items]").forEach((one) => { one.checked = event.target.checked; });
  });

  // A part of the page that has just come must not leave by itself before htmx has seen it.
  document.addEventListener("submit", (event) => { if (event.target.hasAttribute("hx-post")) event.preventDefault(); });

  // Requests --------------------------------------------------------------------------------------------------------

  const notice = (text) => {
    const box = document.createElement("div");
    box.className = "bad";
    const line = document.createElement("p");
    line.textContent = text;
    box.append(line);
    document.getElementById("notice").replaceChildren(box);
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.requestConfig.verb !== "get") {
      running += 1;
      document.getElementById("notice").replaceChildren();
    }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.requestConfig.verb !== "get") running -= 1;
    if (event.detail.successful && event.target.closest("[data-reload]")) location.reload();
  });
  document.addEventListener("htmx:sendError", () => notice("The service does not answer. What you did last may not have been kept."));
  document.addEventListener("htmx:beforeSwap", (event) => {
    const type = event.detail.xhr.getResponseHeader("content-type") || "";
    if (event.detail.xhr.status < 400 || type.startsWith("text/html")) return;
    event.detail.shouldSwap = false;
    let text = "The service cannot answer this now.";
    try { text = JSON.parse(event.detail.xhr.responseText).detail || text; } catch { /* not ours */ }
    notice(text);
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const target = event.detail.target;
    const box = target.isConnected ? target : document.getElementById(target.id);
    if (!box) return;
    const said = box.querySelector("[data-said]");
    if (said) document.getElementById("status").textContent = said.textContent.trim();
    const first = box.querySelector("[data-focus]");
    if (first) {
      first.focus({ preventScroll: true });
      if (first.getBoundingClientRect().top < 0) first.scrollIntoView({ block: "start" });
    }
    const list = box.matches(".found") ? box : null;
    if (list) {
      list.dataset.asked = new URL(event.detail.xhr.responseURL).searchParams.get("q");
      open(list);
      if ("wanted" in list.dataset && fresh(list)) chooseFirst(list);
    }
    prepare();
  });

  // Classes by typing -----------------------------------------------------------------------------------------------

  const parts = (inside) => {
    const box = inside.closest(".finder");
    return box && { box, input: box.querySelector("[role=combobox]"), value: box.querySelector("input[type=hidden]"), list: box.querySelector(".found") };
  };
  const options = (list) => [...list.querySelectorAll("[role=option]")];
  const inFinder = (event) => {
    const found = parts(event.target);
    if (!found || !found.list.childElementCount) return false;
    close(found.list);
    return true;
  };
  const mark = (list, at) => {
    const all = options(list);
    all.forEach((one, place) => one.setAttribute("aria-selected", place === at));
    const { input } = parts(list);
    if (all[at]) {
      input.setAttribute("aria-activedescendant", all[at].id);
      all[at].scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };
  const open = (list) => {
    const { input } = parts(list);
    input.setAttribute("aria-expanded", list.childElementCount > 0);
    mark(list, 0);
    const count = options(list).length;
    document.getElementById("status").textContent = input.value ? `${count} ${count === 1 ? "class" : "classes"} found` : "";
  };
  const close = (list) => {
    const { input } = parts(list);
    list.replaceChildren();
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  // Whoever types fast presses Enter before the list is that of the whole word.
  const fresh = (list) => list.dataset.asked === parts(list).input.value;
  const chooseFirst = (list) => {
    delete list.dataset.wanted;
    if (options(list).length && !running) choose(options(list)[0]);
  };
  const choose = (option) => {
    const { box, input, value, list } = parts(option);
    value.value = option.dataset.value;
    input.value = option.dataset.shown;
    close(list);
    if (box.dataset.finder === "go") location.href = `/class?id=${encodeURIComponent(value.value)}`;
    else if (box.dataset.finder === "submit") box.closest("form").requestSubmit();
    else input.focus();
  };
  const finderKey = (event) => {
    const found = event.target.matches("[role=combobox]") && parts(event.target);
    if (!found) return;
    const all = options(found.list);
    const at = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (all.length) mark(found.list, (at + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (!fresh(found.list)) found.list.dataset.wanted = "";
      else if (all[at] && !running) choose(all[at]);
    }
  };
  document.addEventListener("input", (event) => {
    const found = event.target.matches("[role=combobox]") && parts(event.target);
    if (!found) return;
    found.value.value = "";
    delete found.list.dataset.wanted;
  });

  // Photos ----------------------------------------------------------------------------------------------------------

  const dropped = (input) => {
    const name = input.files.length ? input.files[0].name : "";
    const line = input.closest("[data-drop]").querySelector("[data-dropped]");
    line.textContent = name ? `Chosen: ${name}` : "No file is chosen.";
  };
  document.addEventListener("change", (event) => { if (event.target.closest("[data-drop]")) dropped(event.target); });
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      const box = document.querySelector("[data-drop]");
      if (!box) return;
      event.preventDefault();
      box.classList.toggle("over", name === "dragover");
      if (name !== "drop" || !event.dataTransfer.files.length) return;
      const input = box.querySelector("input[type=file]");
      input.files = event.dataTransfer.files;
      dropped(input);
      input.form.requestSubmit();
    });
  }

  // What a part of the page needs when it has come -------------------------------------------------------------------

  const prepare = () => document.querySelectorAll("canvas[data-map]").forEach((one) => { if (!one.dataset.ready) drawMap(one); });

  // The map: points come as numbers, what is under the pointer is asked for -------------------------------------------

  const drawMap = async (canvas) => {
    canvas.dataset.ready = "yes";
    const answer = await fetch(canvas.dataset.map);
    if (!answer.ok) return;
    const { points, classes } = await answer.json();
    const tip = document.getElementById(canvas.dataset.tip);
    const style = getComputedStyle(document.documentElement);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    let size = [0, 0];
    const at = ([x, y]) => [14 + (x / 1000) * (size[0] - 28), 14 + (y / 1000) * (size[1] - 28)];
    const hue = (one) => (one < 0 ? style.getPropertyValue("--edge") : `hsl(${(one * 137.5 + 190) % 360} ${dark.matches ? "45% 66%" : "48% 42%"})`);
    const draw = (near = -1) => {
      const ratio = devicePixelRatio || 1;
      size = [canvas.clientWidth, canvas.clientHeight];
      canvas.width = size[0] * ratio;
      canvas.height = size[1] * ratio;
      const ink = canvas.getContext("2d");
      ink.scale(ratio, ratio);
      points.forEach((point, place) => {
        const [x, y] = at(point);
        const novel = point[3] === 1;
        ink.globalAlpha = novel ? 1 : 0.7;
        ink.fillStyle = ink.strokeStyle = novel ? style.getPropertyValue("--warm") : hue(point[2]);
        ink.beginPath();
        if (novel) {
          ink.lineWidth = 1.6;
          ink.moveTo(x - 3, y - 3); ink.lineTo(x + 3, y + 3); ink.moveTo(x + 3, y - 3); ink.lineTo(x - 3, y + 3);
          ink.stroke();
        } else {
          ink.arc(x, y, 2.4, 0, 7);
          ink.fill();
        }
        if (place === near) { ink.globalAlpha = 1; ink.strokeStyle = style.getPropertyValue("--ink"); ink.beginPath(); ink.arc(x, y, 7, 0, 7); ink.stroke(); }
      });
      ink.globalAlpha = 1;
      ink.font = `600 11px ${getComputedStyle(canvas).fontFamily}`;
      ink.textAlign = "center";
      ink.lineWidth = 3;
      const taken = [];
      classes.forEach(([x, y, number, name]) => {
        if (x < 0) return;
        const [left, top] = at([x, y]);
        const half = ink.measureText(name).width / 2;
        if (left - half < 2 || left + half > size[0] - 2 || taken.some(([l, t, h]) => Math.abs(t - top) < 14 && Math.abs(l - left) < h + half + 4)) return;
        taken.push([left, top, half]);
        ink.strokeStyle = style.getPropertyValue("--card");
        ink.strokeText(name, left, top);
        ink.fillStyle = hue(number);
        ink.fillText(name, left, top);
      });
    };
    let shown = -1;
    const show = async (place) => {
      if (place === shown) return;
      shown = place;
      draw(place);
      if (place < 0) { tip.replaceChildren(); return; }
      const item = await fetch(`/map/item?n=${place}&of=${encodeURIComponent(canvas.dataset.of)}`);
      if (item.ok && place === shown) tip.innerHTML = await item.text();
    };
    let waiting = 0;
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      const here = [event.clientX - box.left, event.clientY - box.top];
      let best = -1, least = 196;
      points.forEach((point, place) => {
        const [x, y] = at(point);
        const far = (x - here[0]) ** 2 + (y - here[1]) ** 2;
        if (far < least) { best = place; least = far; }
      });
      clearTimeout(waiting);
      waiting = setTimeout(() => show(best), 60);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step || !points.length) return;
      event.preventDefault();
      show((shown + step + points.length) % points.length);
    });
    new ResizeObserver(() => draw(shown)).observe(canvas);
    dark.addEventListener("change", () => draw(shown));
  };

  prepare();
  const first = document.querySelector("#change :is(input, textarea):not([type=hidden])");
  if (first) first.focus();
})();
