# A second signal that a version was published, and the alarm for a live version that the factory did not make. If an
# event is lost here, the sweep finds the version.

resource "azurerm_eventgrid_system_topic" "galleries" {
  name                = "evgt-${var.name}-galleries"
  resource_group_name = azurerm_resource_group.galleries.name
  location            = "Global"
  source_resource_id  = azurerm_resource_group.galleries.id
  topic_type          = "Microsoft.Resources.ResourceGroups"
  tags                = local.tags
}

resource "azurerm_eventgrid_system_topic_event_subscription" "versions" {
  count = var.is_code_deployed ? 1 : 0

  name                  = "gallery-versions"
  system_topic          = azurerm_eventgrid_system_topic.galleries.name
  resource_group_name   = azurerm_resource_group.galleries.name
  event_delivery_schema = "EventGridSchema"
  included_event_types = [
    "Microsoft.Resources.ResourceWriteSuccess",
    "Microsoft.Resources.ResourceDeleteSuccess",
  ]

  azure_function_endpoint {
    function_id = "${azapi_resource.function_app.id}/functions/observe_gallery_event"
  }

  advanced_filter {
    string_in {
      key = "data.operationName"
      values = [
        "Microsoft.Compute/galleries/images/versions/write",
        "Microsoft.Compute/galleries/images/versions/delete",
      ]
    }
  }

  retry_policy {
    max_delivery_attempts = 30
    event_time_to_live    = 1440
  }
}
