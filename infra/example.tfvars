# Copy to NAME.tfvars and fill in; what is not here has a default in variables.tf.
subscription_id = "00000000-0000-0000-0000-000000000000"
suffix          = "demo1"
location        = "westeurope"
api_audience    = "api://imagefactory.example.com"

# After the first apply: the digest that `docker push` printed.
# builder_image    = "crimagefactorydemo1.azurecr.io/imagefactory-builder@sha256:..."
# After the code was deployed:
# is_code_deployed = true

tags = {
  owner = "secops"
}
