// Start: the theme at once, then the tables, and in plain words if that fails.

setUpTheme();
try {
  const [DataTable, data] = await Promise.all([loadGrid(), unpack("packed-data").then(JSON.parse)]);
  setUpLeaderboard(DataTable);
  if (data.transcripts) setUpExplorer(DataTable, data.transcripts);
  setUpRows(DataTable, data.rows);
  document.documentElement.dataset.ready = "";
} catch (error) {
  const notice = document.getElementById("failure");
  notice.textContent = `The tables could not be set up (${error}). A browser of 2023 or later is needed.`;
  notice.hidden = false;
  throw error;
}
