// Runs in the browser. As in Next.js, the build writes the variable's value where its name stands.
const API_URL = process.env.NEXT_PUBLIC_API_URL;

const state = document.querySelector("#state");
const table = document.querySelector("#scores");

try {
  const answer = await fetch(`${API_URL}/scores`);
  if (!answer.ok) {
    throw new Error(`the API answers ${answer.status}`);
  }
  const { scores } = await answer.json();
  for (const score of scores) {
    const row = table.tBodies[0].insertRow();
    // Text, never HTML: players choose their names.
    row.insertCell().textContent = score.player;
    row.insertCell().textContent = score.points;
  }
  table.hidden = scores.length === 0;
  state.textContent = scores.length ? "" : "Nobody has played yet.";
} catch (error) {
  state.textContent = `No scores: ${error.message}.`;
}
