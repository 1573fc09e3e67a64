"""One call with a Python client. Arguments: urllib, requests or boto3; the column of the matrix."""
import os
import sys

client, column = sys.argv[1:]
SCHEME = "https" if column in ("https", "refused") else "http"
BASE = os.environ.get("BASE_URL")
KEY = {"Authorization": f"Bearer {os.environ['API_KEY']}"} if BASE else {}
URL = BASE or f"{SCHEME}://api.test"


def show(part):
    sys.stdout.write(part.decode())
    sys.stdout.flush()


def by_urllib():
    import urllib.request
    if column == "upload":
        with open(os.environ["PAYLOAD"], "rb") as payload:
            request = urllib.request.Request(URL + "/upload", payload.read(), KEY, method="PUT")
    else:
        request = urllib.request.Request(URL + ("/stream" if column == "stream" else "/v1/hello"), headers=KEY)
    with urllib.request.urlopen(request, timeout=60) as answer:
        while part := answer.read1():
            show(part)


def by_requests():
    import requests
    if column == "upload":
        with open(os.environ["PAYLOAD"], "rb") as payload:
            answer = requests.put(URL + "/upload", data=payload, headers=KEY, timeout=60)
    else:
        answer = requests.get(URL + ("/stream" if column == "stream" else "/v1/hello"), headers=KEY, timeout=60, stream=True)
    answer.raise_for_status()
    for part in answer.iter_content(None):
        show(part)


def by_boto3():
    import boto3
    from botocore.config import Config
    token = {"aws_session_token": os.environ["API_KEY"]} if BASE else {}
    s3 = boto3.client("s3", "us-east-1", endpoint_url=BASE or f"{SCHEME}://s3.us-east-1.amazonaws.com", aws_access_key_id="none",
                      aws_secret_access_key="none", config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
                      **token)
    if column == "upload":
        with open(os.environ["PAYLOAD"], "rb") as payload:
            s3.put_object(Bucket="b", Key="upload", Body=payload)
    elif column == "stream":
        for part in s3.get_object(Bucket="b", Key="stream")["Body"].iter_chunks(10):  # as long as a part
            show(part)
    else:
        show(s3.list_buckets()["Buckets"][0]["Name"].encode())


{"urllib": by_urllib, "requests": by_requests, "boto3": by_boto3}[client]()
