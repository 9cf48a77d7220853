# The S3 server's image where the released one can not be pulled: `make s3-image` puts the program beside this.
FROM scratch
COPY versitygw /usr/local/bin/
USER 10001:0
ENTRYPOINT ["/usr/local/bin/versitygw"]
