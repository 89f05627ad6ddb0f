"""What `make up` starts and keeps: server, worker, automations, notices, and the pages in Prefect's UI."""
