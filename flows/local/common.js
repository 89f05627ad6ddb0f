"use strict";
// What the pages of this machine have in common: asking its server, and drawing an image of 28 × 28.
const $ = (id) => document.getElementById(id);

async function request(what, body) {
  const { token, command } = document.body.dataset;
  let response;
  try {
    response = await fetch(`/${what}`, {
      method: "POST", headers: { "X-Token": token, "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
  } catch {
    throw new Error(`The server does not answer. Start it again (${command}), and open the address that it prints: `
      + "what was answered before is saved.");
  }
  const text = await response.text();
  let content = null;
  try { content = JSON.parse(text); } catch { /* no JSON: the text says it */ }
  if (!response.ok) throw new Error(content?.error ?? text);
  return content;
}

// pixels: 784, 0–255.
function drawPixels(canvas, pixels) {
  const context = canvas.getContext("2d"), image = context.createImageData(28, 28);
  for (let i = 0; i < 784; i++) {
    image.data.fill(pixels[i], 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
