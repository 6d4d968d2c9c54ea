#!/usr/bin/env python3
"""oip_client.py - an Open Inference Protocol client of the standard library alone, written from the protocol's pages.

    oip_client.py URL MODEL json|binary DATATYPE SHAPE [OUTPUT...] < VALUES

VALUES are numbers in JSON, or with BYTES the paths of files, one a line. SHAPE is 1x8x8x1. OUTPUT is a layer's name, or
an entry of "outputs" in JSON. Prints every output as {"name": {"datatype", "shape", "data"}}.
"""
import json
import struct
import sys
import urllib.request

CODES = {"BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h",
         "INT32": "i", "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d"}


def pack(datatype, values):
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(v)) + v for v in values)
    return struct.pack(f"<{len(values)}{CODES[datatype]}", *values)


def unpack(datatype, data):
    if datatype != "BYTES":
        return [v[0] for v in struct.iter_unpack("<" + CODES[datatype], data)]
    values = []
    while data:
        n, = struct.unpack_from("<I", data)
        values.append(data[4:4 + n].decode())
        data = data[4 + n:]
    return values


def call(url, body=None, headers={}):
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as reply:
        return reply.headers, reply.read()


def infer(url, model, datatype, shape, values, outputs=(), binary=True):
    name = json.loads(call(f"{url}/v2/models/{model}")[1])["inputs"][0]["name"]
    tensor = {"name": name, "datatype": datatype, "shape": shape}
    request, data, headers = {"id": "1", "inputs": [tensor]}, b"", {"Content-Type": "application/json"}
    if outputs:
        request["outputs"] = list(outputs)
    if binary:
        data = pack(datatype, values)
        tensor["parameters"] = {"binary_data_size": len(data)}
        request["parameters"] = {"binary_data_output": True}
    else:
        tensor["data"] = values
    head = json.dumps(request).encode()
    if binary:
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    headers, body = call(f"{url}/v2/models/{model}/infer", head + data, headers)
    length = int(headers.get("Inference-Header-Content-Length", len(body)))
    reply, data = json.loads(body[:length]), body[length:]
    assert reply["id"] == "1" and reply["model_name"] == model, reply
    answers = {}
    for o in reply["outputs"]:
        size = o.get("parameters", {}).get("binary_data_size")
        answers[o["name"]] = {"datatype": o["datatype"], "shape": o["shape"],
                              "data": o["data"] if size is None else unpack(o["datatype"], data[:size])}
        data = data[size or 0:]
    assert not data, f"{len(data)} bytes are left over"
    return answers


if __name__ == "__main__":
    url, model, form, datatype, shape = sys.argv[1:6]
    values = [open(p, "rb").read() for p in sys.stdin.read().split("\n") if p] if datatype == "BYTES" \
        else json.load(sys.stdin)
    outputs = [json.loads(o) if o.startswith("{") else {"name": o} for o in sys.argv[6:]]
    print(json.dumps(infer(url, model, datatype, [int(d) for d in shape.split("x")], values, outputs, form == "binary")))
