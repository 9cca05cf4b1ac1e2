// Load the page again every so often: whoever reads it may pause that.
const box = document.getElementById("reload");
setInterval(() => box.checked && location.reload(), EVERY_MS);
