// What a checker of accessibility looks for, as a list of complaints about what is shown now: an expression.
(() => {
  const complaints = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".unseen");
  const name = (element) => `${element.localName}#${element.id}.${element.getAttribute("class")}`;

  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const over = (top, ground) => ground.map((value, i) => top.rgb[i] * top.a + value * (1 - top.a));
  const groundOf = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(parse(getComputedStyle(at).backgroundColor));
      if (layers.at(-1).a === 1) break;
    }
    return layers.reverse().reduce((ground, layer) => over(layer, ground), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const compare = (element, colour, ground, least, what) => {
    const ratio = contrast(over(parse(colour), ground), ground);
    if (ratio < least) complaints.push(`${what} of ${name(element)}: contrast ${ratio.toFixed(2)}, at least ${least}`);
  };

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const looked = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (looked.has(element) || !walker.currentNode.data.trim() || !shown(element)) continue;
    looked.add(element);
    compare(element, getComputedStyle(element).color, groundOf(element), 4.5, "text");
  }
  for (const field of document.querySelectorAll("input, select")) {
    if (!shown(field)) continue;
    compare(field, getComputedStyle(field).borderTopColor, groundOf(field.parentElement), 3, "edge");
    compare(field, getComputedStyle(field).color, groundOf(field), 4.5, "text");
    compare(field, getComputedStyle(field, "::placeholder").color, groundOf(field), 4.5, "placeholder");
  }

  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    if (heading.closest("dialog") || !heading.checkVisibility()) continue;
    const next = Number(heading.tagName[1]);
    if (next > level + 1) complaints.push(`${heading.tagName} after H${level}: ${heading.textContent}`);
    level = next;
  }
  for (const landmark of ["header", "main", "nav"]) {
    const found = document.querySelectorAll(`body > ${landmark}`).length;
    if (found !== 1) complaints.push(`${found} of the landmark ${landmark}`);
  }
  if (document.querySelectorAll("h1").length !== 1) complaints.push("not one h1");
  if (!document.documentElement.lang) complaints.push("no language");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) complaints.push("an id twice");
  for (const target of document.querySelectorAll("button, select, input")) {
    const box = target.getBoundingClientRect();
    const small = box.height < 20 || box.width < 20;
    if (shown(target) && small) complaints.push(`${name(target)} is ${box.width}x${box.height}`);
  }
  return complaints;
})()
