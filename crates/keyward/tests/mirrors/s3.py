"""Asks a store that speaks S3 something, signed (AWS Signature Version 4): METHOD URL BODY [HEADER:VALUE...].

Prints the status on a line and then what the store said."""

import datetime
import hashlib
import hmac
import sys
import urllib.error
import urllib.parse
import urllib.request

KEY, SECRET, REGION = "writer", "writer-secret", "us-east-1"


def main(method, url, body, *more):
    parts = urllib.parse.urlsplit(url)
    body = body.encode()
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = dict(one.split(":", 1) for one in more)
    headers |= {
        "host": parts.netloc,
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-amz-date": now,
    }
    names = ";".join(sorted(headers))
    query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    query = urllib.parse.urlencode(sorted(query), quote_via=urllib.parse.quote)
    canonical = [method, parts.path, query]
    canonical += [f"{name}:{headers[name]}" for name in sorted(headers)]
    canonical += ["", names, headers["x-amz-content-sha256"]]
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    url = urllib.parse.urlunsplit(parts._replace(query=query))
    request = urllib.request.Request(url, data=body or None, headers=headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = opener.open(request)
    except urllib.error.HTTPError as error:
        answer = error
    print(answer.status)
    print(answer.read().decode())


main(*sys.argv[1:])
