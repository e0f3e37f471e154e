"""Fetches URLs by a forward proxy, as Python's usual libraries do.

client.py PROXY ROOTS URL                    requests, and a proxy in clear
client.py PROXY ROOTS URL MESH CHAIN KEY     urllib3, and a proxy over mutual TLS
Prints the status, or what went wrong.
"""

import ssl
import sys

import requests
import urllib3

proxy, roots, url, *identity = sys.argv[1:]
try:
    if identity:
        mesh, chain, key = identity
        to_proxy = ssl.create_default_context(cafile=mesh)
        # The gateway's certificate names a workload, and no host.
        to_proxy.check_hostname = False
        to_proxy.load_cert_chain(chain, key)
        manager = urllib3.ProxyManager(
            proxy,
            proxy_ssl_context=to_proxy,
            ca_certs=roots,
            retries=False,
            timeout=20,
        )
        print(manager.request("GET", url).status)
    else:
        proxies = {"http": proxy, "https": proxy}
        print(requests.get(url, proxies=proxies, verify=roots, timeout=20).status_code)
except Exception as error:
    print(error)
