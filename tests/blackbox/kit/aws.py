"""What botocore, the independent implementation, says of a signed request that arrived."""
import re

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest

OURS = ("authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "host")


def finish(auth, request, time):
    """add_auth() of botocore, at that time."""
    request.context["timestamp"] = time
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    auth._inject_signature_to_request(request, auth.signature(auth.string_to_sign(request, canonical), request))
    return request


def signed_names(authorization):
    return re.search(r"SignedHeaders=([^,]*),", authorization)[1].split(";")


def by_botocore(arrived, service, region, credentials):
    """The Authorization that botocore makes of what arrived: of the fields that are signed, at the time it says."""
    names = signed_names(arrived.fields.get("authorization"))
    fields = {}
    for name, value in arrived.fields:
        if name.lower() in names and name.lower() not in OURS:
            fields.setdefault(name.lower(), []).append(value)
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    request = AWSRequest(arrived.method, f"http://{arrived.fields.get('host')}{arrived.target}",
                         {name: ",".join(values) for name, values in fields.items()}, arrived.body)
    if service != "s3" and "x-amz-content-sha256" in arrived.fields:
        request.headers["X-Amz-Content-SHA256"] = arrived.fields.get("x-amz-content-sha256")
    return finish(kind(credentials, service, region), request,
                  arrived.fields.get("x-amz-date")).headers["Authorization"]
