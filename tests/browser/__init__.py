"""The console as people meet it: Debian's Chromium, driven by Selenium, judged by axe-core."""
