// The answers come from the server, which has the package and reads pictures of any kind.

// The content of a picture's file: of what is looked at, where none is dropped.
async function picture(look, file) {
  // Not toBlob, which waits for the browser to be idle.
  const url = file ? await new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => fail(new Error(`The file cannot be read: ${reader.error.message}`));
    reader.readAsDataURL(file);
  }) : look().toDataURL();
  return url.split(",")[1];
}

async function read(look, file) {
  const reading = await request("read", { picture: await picture(look, file) });
  return { ...reading, pixels: bytes(reading.pixels) };
}

async function say(answer, look, file) {
  const { kept } = await request("answer", { picture: await picture(look, file), answer });
  const said = answer === "none" ? "No digit" : `A ${answer}`, all = kept === 1 ? "One drawing is" : `${kept} drawings are`;
  $("said").textContent = `${said}: kept. ${all} answered in all. Say something else to change it, or draw the next.`;
}

async function publish() {
  const { name, findings } = await request("publish", {});
  const learned = "The next model learns from it by: digits run --corrections all";
  $("said").textContent = [`Published as ${name}.`, learned, ...findings].join(" ");
}
