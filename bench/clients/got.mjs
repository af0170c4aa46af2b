// Posts a file with got: node got.mjs URL FILE [post], the last one for a retry that covers POST.
import { readFileSync } from 'node:fs';
import got from 'got';

const [url, file, post] = process.argv.slice(2);
const retry = post ? { limit: 5, methods: ['POST'] } : { limit: 5 };
const answer = await got.post(url, {
  body: readFileSync(file), headers: { 'content-type': 'application/xml' }, retry, throwHttpErrors: false,
});
console.log(answer.statusCode);
