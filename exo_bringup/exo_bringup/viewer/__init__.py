# SPDX-License-Identifier: Apache-2.0
"""The viewer in the browser: a page that shows what the topics say, and calls the services."""
